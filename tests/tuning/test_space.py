"""Files in RecBole's format: what they mean, and that they are never run as code."""

import importlib
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hyperopt.pyll.stochastic import sample
from recbole.trainer import HyperTuning

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models, recbole_models
from recbole_mmm4rec.host.config_checks import documented_keys
from recbole_mmm4rec.host.property_files import properties_path
from recbole_mmm4rec.tuning.space import (
    Range,
    as_recbole_dict,
    chosen,
    drawn,
    every,
    find_space,
    read_space,
    refuse_measures,
    size,
)
from tests.model import builders

TEXT = """
# comment
learning_rate loguniform -8, 0
n_layers choice [1, 2]
mlp_hidden_size choice ['[64, 64]','[128]']

dropout uniform 0,0.5
hidden_size quniform 32,128,32
"""
READY = sorted((properties_path() / "hyper").glob("*.hyper"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.hyper"
    path.write_text(TEXT)
    return path


def test_ranges_are_read(file: Path) -> None:
    assert read_space(file) == {
        "learning_rate": Range("loguniform", (-8.0, 0.0)),
        "n_layers": Range("choice", (1, 2)),
        "mlp_hidden_size": Range("choice", ("[64, 64]", "[128]")),
        "dropout": Range("uniform", (0.0, 0.5)),
        "hidden_size": Range("quniform", (32.0, 128.0, 32.0)),
    }


def test_recbole_searches_the_same_space(file: Path) -> None:
    read = read_space(file)
    space = HyperTuning(lambda *_: None, params_dict=as_recbole_dict(read), algo="random").space
    theirs = HyperTuning(lambda *_: None, params_file=str(file), algo="random").space
    for seed in range(20):
        ours, other = (sample(one, np.random.default_rng(seed)) for one in (space, theirs))
        found = {key: str(value) for key, value in chosen(read, ours).items()}
        assert found == {key: str(value).replace("[64,64]", "[64, 64]") for key, value in other.items()}


@pytest.mark.parametrize("key", ["metrics", "topk", "valid_metric", "eval_args", "rank_seen"])
def test_what_scores_mean_is_not_searched(key: str) -> None:
    with pytest.raises(UserError, match=f"some: '{key}' decides what a score means"):
        refuse_measures("some", {"n_layers": Range("choice", (1,)), key: Range("choice", (1, 2))})


def test_draws_lie_in_their_ranges(file: Path) -> None:
    space, source = read_space(file), random.Random(0)
    rates = [space["learning_rate"].draw(source) for _ in range(200)]
    assert math.exp(-8) <= min(rates) < 0.01 < max(rates) <= 1
    assert {space["hidden_size"].draw(source) for _ in range(200)} == {32, 64, 96, 128}
    assert all(0 <= space["dropout"].draw(source) <= 0.5 for _ in range(200))
    assert drawn(space, 5, 1) == drawn(space, 5, 1) != drawn(space, 5, 2)


def test_every_set_of_values_comes_once() -> None:
    space = {"a": Range("choice", (1, 2)), "b": Range("choice", ("x", "y", "z"))}
    sets = list(every(space))
    assert len(sets) == size(space) == 6
    assert sets[:2] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}]
    assert len(drawn(space, 50, 0)) == 6
    assert size({"a": Range("quniform", (32.0, 128.0, 32.0))}) == 4
    with pytest.raises(UserError, match="takes only choices; 'c' is uniform"):
        list(every(space | {"c": Range("uniform", (0.0, 1.0))}))


@pytest.mark.parametrize(
    "line",
    [
        "learning_rate",
        "learning_rate choice",
        "learning_rate choice []",
        "learning_rate choice __import__('os').getcwd()",
        "learning_rate normal 0,1",
        "learning_rate uniform 0",
        "learning_rate uniform 1,0",
        "learning_rate quniform 0,1,0",
        "learning_rate uniform a,b",
        "learning_rate uniform 0,nan",
        "learning_rate loguniform -8,1000",
        "learning_rate quniform 32,64,-16",
        "learning_rate choice 64",
    ],
)
def test_what_is_not_understood_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "some.hyper"
    path.write_text(f"n_layers choice [1]\n{line}\n")
    with pytest.raises(UserError, match=r"some\.hyper, line 2: expected 'key choice \[a, b\]'") as caught:
        read_space(path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.hyper").write_text("# nothing\n")
    with pytest.raises(UserError, match="no key to search over"):
        read_space(tmp_path / "some.hyper")


def test_ready_files_are_found_by_model() -> None:
    assert find_space("MMM4Rec")[0].name == "MMM4Rec.hyper"
    with pytest.raises(UserError, match=r"MMM4Rek is not a file, nor one of .*; did you mean MMM4Rec"):
        find_space("MMM4Rek")


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_files_name_keys_of_their_models(path: Path) -> None:
    assert path.stem in [*our_models(), *recbole_models()]
    assert set(read_space(path)) <= set(documented_keys(path.stem, ""))


@pytest.mark.parametrize("name", [path.stem for path in READY if path.stem in our_models()])
def test_ready_sizes_go_together(name: str) -> None:
    sizes = {"hidden_size", "head_dim", "n_groups", "n_heads"}
    space = {key: values for key, values in find_space(name)[1].items() if key in sizes}
    features = {kind: builders.feature(torch.randn(9, 6)) for kind in ("text", "image")}
    model = getattr(importlib.import_module(our_models()[name]), name)
    used = {kind: matrix for kind, matrix in features.items() if kind in model.modalities}
    for params in every(space) if space else ():
        model(builders.settings(name, seed=0, **params), builders.dataset(9, **used))


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.hyper"
    path.write_text("a choice [1,2]\nb choice [1,2]\na choice [3,4]\n")
    with pytest.raises(UserError, match="line 3: a is there twice"):
        read_space(path)

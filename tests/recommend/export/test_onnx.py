"""ONNX files run by onnxruntime against the model itself: histories of every length, new items, one line."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from recbole_mmm4rec import extras
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.export import onnx_folder, onnx_graph
from recbole_mmm4rec.recommend.export.forms import export
from recbole_mmm4rec.recommend.export.onnx_graph import session
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.recommender import Recommender
from tests.recommend.trained import recommender

SHORT = {"MAX_ITEM_LIST_LENGTH": 7}
CAUSAL = {"time_branch": "causal"}
COUNTED = {"co_occurrence": 20.0}
TOWERS = ["MMM4Rec", "MISSRec", "HM4SR", "UniSRec"]
ONLY_USERS = ["MMSRec", "BSARec", "Mamba4Rec", "GRU4Rec"]
"""Of models that are made of the same operators one is here: an export takes seconds."""


def written(known: Recommender, folder: Path) -> tuple[list[str], dict[str, Any]]:
    refusals = onnx_folder.write_onnx(known, folder)
    return refusals, json.loads((folder / "onnx.json").read_text())["files"]


def of_every_length(known: Recommender) -> tuple[Histories, dict[str, np.ndarray]]:
    """Three histories of every length from 1 to L, and the same as inputs of the user encoder."""
    longest = known.blueprint.max_length
    generator = np.random.default_rng(0)
    lengths = np.repeat(np.arange(1, longest + 1), 3)
    start = np.concatenate([[0], np.cumsum(lengths)])
    items = generator.integers(1, len(known.items) + 1, start[-1])
    times = 1.5e9 + np.sort(generator.random(start[-1])) * 1e7
    histories = Histories(np.arange(len(lengths)).astype(object), items, start, times)
    place = np.arange(longest)
    valid = place < lengths[:, None]
    at = np.where(valid, start[:-1, None] + place, 0)
    return histories, {"history": items[at] * valid, "lengths": lengths, "times": times[at] * valid}


@pytest.mark.parametrize(
    ("model", "values"),
    [*((model, {}) for model in [*TOWERS, *ONLY_USERS]), ("MMM4Rec", CAUSAL), ("UniSRec", COUNTED)],
    ids=str,
)
def test_onnx_says_what_the_model_says(model: str, values: dict[str, Any], tmp_path: Path) -> None:
    known = recommender(model, **SHORT | values)
    refusals, files = written(known, tmp_path)
    assert ("item_tower.onnx" in files) == (model in TOWERS)
    assert len(refusals) == (model == "MMSRec")  # the other models score ids
    histories, columns = of_every_length(known)
    feed = {name: columns[name] for name in files["user_encoder.onnx"]["inputs"]}
    encoder = session(tmp_path / "user_encoder.onnx")
    users = encoder.run(None, feed)[0]
    np.testing.assert_allclose(users, known.scorer.user_vectors(histories), rtol=1e-4, atol=1e-4)
    alone = {name: values[:1, :1] if values.ndim == 2 else values[:1] for name, values in feed.items()}
    np.testing.assert_allclose(encoder.run(None, alone)[0], users[:1], rtol=1e-4, atol=1e-4)

    items = np.stack(pq.read_table(tmp_path / "items.parquet")["vector"].to_numpy())
    if "scorer.onnx" in files:
        scores = session(tmp_path / "scorer.onnx").run(None, {"user": users, "candidate": items})[0]
    else:
        scores = users @ items.T
    assert ("counts.onnx" in files) == (model == "MMM4Rec" or values == COUNTED)
    if "counts.onnx" in files:
        counted = session(tmp_path / "counts.onnx")
        feed = {name: columns[name] for name in files["counts.onnx"]["inputs"]}
        scores = scores + counted.run(None, feed)[0]
        lone = counted.run(None, {name: column[:1] for name, column in feed.items()})[0]
        assert lone.shape == (1, len(items))
    np.testing.assert_allclose(scores, known.scorer.scores(histories)[:, 1:], rtol=1e-3, atol=1e-3)
    if model in TOWERS:
        check_tower(known, tmp_path, files, items)
    code = Path(__file__).parents[3]
    assert not any(str(code).encode() in file.read_bytes() for file in tmp_path.iterdir())


def check_tower(known: Recommender, folder: Path, files: dict[str, Any], items: np.ndarray) -> None:
    """Items of training by their numbers, and new ones as add_items takes them."""
    tower = session(folder / "item_tower.onnx")
    inputs, outputs = (files["item_tower.onnx"][kind] for kind in ("inputs", "outputs"))
    features = {name: f.matrix[1:].numpy() for name, f in known.catalogue.features.items()}
    feed = features | ({"item": np.arange(1, len(items) + 1)} if "item" in inputs else {})
    found = dict(zip(outputs, tower.run(None, feed), strict=True))
    np.testing.assert_allclose(found["candidate"], items, rtol=1e-4, atol=1e-4)

    generator = np.random.default_rng(1)
    new = {name: generator.normal(size=(2, v.shape[1])).astype(np.float32) for name, v in features.items()}
    new[next(iter(new))][1] *= len(new) == 1  # one that lacks a modality, where there is another
    feed = new | ({"item": np.zeros(2, np.int64)} if "item" in inputs else {})
    found = dict(zip(outputs, tower.run(None, feed), strict=True))
    known.add_items(["n1", "n2"], vectors=new)
    wanted = known.scorer.candidates()[-2:].numpy()
    np.testing.assert_allclose(found["candidate"], wanted, rtol=1e-4, atol=1e-4)
    names = files["user_encoder.onnx"]["inputs_with_a_value"]
    if not names:
        return
    table = known.scorer.table()
    longer = {
        name: np.concatenate([table[name.partition(".")[2]][:-2].numpy(), found[name]]) for name in names
    }
    number = len(table[names[0].partition(".")[2]]) - 1
    history = {"history": np.array([[1, number]]), "lengths": np.array([2]), "times": np.full((1, 2), 1.5e9)}
    feed = longer | {name: history[name] for name in files["user_encoder.onnx"]["inputs"]}
    user = session(folder / "user_encoder.onnx").run(None, feed)[0]
    lone = Histories(np.zeros(1, object), np.array([1, number]), np.array([0, 2]), np.full(2, 1.5e9))
    np.testing.assert_allclose(user, known.scorer.user_vectors(lone), rtol=1e-4, atol=1e-4)


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, in_tmp: Path
) -> None:
    find = extras.importlib.util.find_spec
    monkeypatch.setattr(
        extras.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "onnxruntime" else find(name, *rest),
    )
    line = re.escape("ONNX needs onnxruntime, which is not installed: pip install 'recbole-mmm4rec[onnx]'")
    with pytest.raises(UserError, match=line):
        onnx_folder.write_onnx(recommender("SASRec"), in_tmp)
    assert not list(in_tmp.iterdir())


def test_a_model_without_user_vectors_is_one_line(in_tmp: Path) -> None:
    from tests.recommend.trained import trained

    with pytest.raises(UserError, match="BERT4Rec has no vectors of items and users"):
        export(trained("BERT4Rec")[0], "onnx", "out")
    assert not list(in_tmp.iterdir())


class Wrong(torch.nn.Module):
    """Not the same on paper as in life."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if torch.compiler.is_compiling() else x


class Impossible(torch.nn.Module):
    """Complex numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.eigvals(x).real


@pytest.mark.parametrize(
    ("module", "line"), [(Wrong(), "its graph gives another y"), (Impossible(), "cannot be written as ONNX")]
)
def test_what_onnx_cannot_say_is_refused(module: torch.nn.Module, line: str, tmp_path: Path) -> None:
    graph = onnx_graph.Graph(module, (torch.ones(2, 2),), ["x"], ["y"], ({0: "n"},))
    with pytest.raises(onnx_graph.NotExportableError, match=line) as caught:
        onnx_graph.write_graph(tmp_path / "x.onnx", graph, {})
    assert "\n" not in str(caught.value)

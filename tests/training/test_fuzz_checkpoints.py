"""Any file in the place of a checkpoint: it is loaded, gone on from or fine-tuned, or one line refuses it."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from recbole_mmm4rec import load_data_and_model
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import working_in
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.training_run import build_model
from recbole_mmm4rec.recommend.export.forms import export
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.fuzzing import Fuzzer, edits, files_under, mutated, places, replaced, tensors, tried
from tests.recommend.trained import home, settings_of, trained

OURS, RECBOLES = ("MMM4Rec", "SASRec"), "BPR"


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "argv", ["test"])
    with working_in(home()):
        yield


def bpr() -> str:
    values = {
        "epochs": 1,
        "show_progress": False,
        "topk": [5],
        "metrics": ["Recall"],
        "valid_metric": "Recall@5",
    }
    return str(run("BPR", "tiny", config_dict={**values, "checkpoint_dir": "bpr"})["checkpoint"])


def content_of(model: str) -> dict[str, Any]:
    """What a checkpoint holds that is called ``odd.pth`` and is its own best model."""
    content = torch.load(bpr() if model == RECBOLES else trained(model)[0], weights_only=True)
    if model != RECBOLES:
        content["training"]["best_file"] = "odd.pth"
    return content


def saves_loaders(content: dict[str, Any]) -> bool:
    """Whether the settings of a checkpoint say that RecBole is to keep the data loaders in a file."""
    settings = content.get("config")  # JSON, but a dictionary for RecBole's own models
    if isinstance(settings, str) and settings.startswith("{"):
        settings = json.loads(settings)
    return isinstance(settings, dict) and settings.get("save_dataloaders") is True


def pretrained(path: Path, model: str) -> None:
    """Move the weights of a file into a new model, as ``--pretrained`` does."""
    config = RunConfig(model, "tiny", config_dict=settings_of(model))
    loaders = prepare_loaders(config, create_dataset(config))
    load_pretrained(build_model(config, loaders[0].dataset), str(path), loaders[0].dataset, True)


def gone_on(path: Path) -> None:
    """Go on with the run of a file, for one more epoch."""
    run(config_dict={"resume": str(path), "epochs": 2, "show_progress": False}, saved=False)


def asked(path: Path) -> None:
    """Recommend with a file, and give its model away."""
    load(path, "cpu").recommend([["i1", "i2"], ["i3"]], k=3, exclude_seen=False)
    with TemporaryDirectory() as folder:
        export(path, "safetensors", Path(folder) / "model")


def uses(path: Path, model: str) -> dict[str, Any]:
    """What can be done with a checkpoint."""
    found: dict[str, Any] = {
        "load": lambda: load_data_and_model(str(path)),
        "resume": lambda: gone_on(path),
    }
    if model != RECBOLES:
        found |= {"recommend": lambda: asked(path), "pretrained": lambda: pretrained(path, model)}
    return found


@pytest.mark.parametrize("use", ["load", "resume", "recommend", "pretrained"])
@pytest.mark.parametrize("model", [*OURS, RECBOLES])
def test_a_checkpoint_with_other_parts(model: str, use: str, tmp_path: Path, fuzz: Fuzzer) -> None:
    whole = content_of(model)
    path = tmp_path / "odd.pth"
    if use not in uses(path, model):
        pytest.skip("a model of RecBole's trainers has no such use")
    before = files_under(home())

    def check(example: tuple[list[int], Any]) -> None:
        content = replaced(whole, *example)
        torch.save(content, path)
        tried(uses(path, model)[use])
        made = {file.name for file in tmp_path.iterdir()} - {"odd.pth"}
        kept = {f"tiny-for-{model}-dataloader.pth"} if use == "resume" and saves_loaders(content) else set()
        assert made <= kept
        for name in made:
            (tmp_path / name).unlink()  # the next example is judged by its own files

    fuzz(check, st.tuples(places, tensors()), examples=10)
    new = {name.split("/")[0] for name in files_under(home()) - before}
    assert new <= {"log", "log_tensorboard", "saved"}


@pytest.mark.parametrize("use", ["load", "resume", "recommend", "pretrained"])
def test_a_checkpoint_with_bytes_changed(use: str, tmp_path: Path, fuzz: Fuzzer) -> None:
    whole = trained("MMM4Rec")[0].read_bytes()
    path = tmp_path / "odd.pth"

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        path.write_bytes(mutated(whole, changes))
        tried(uses(path, "MMM4Rec")[use])

    fuzz(check, edits, examples=10)


DAMAGED: list[tuple[str, list[str], Any, str]] = [
    (
        "resume",
        ["training", "best_file"],
        "../../elsewhere.pth",
        "best_file: expected the name of a file beside",
    ),
    ("resume", ["training", "next_epoch"], "1", "next_epoch: expected a whole number"),
    ("resume", ["training", "record", "losses"], 5, "record"),
    ("resume", ["training", "random"], [{"torch": 5}], "its random states cannot be used"),
    ("resume", ["optimizer", "param_groups", 0, "lr"], "fast", "the state of its optimiser is unreadable"),
    ("resume", ["optimizer", "state", 0, "exp_avg"], torch.zeros(3), "exp_avg of shape"),
    ("resume", ["config", "dataset"], 5, "its settings name no dataset"),
    ("resume", ["config", "hidden_size"], "wide", "'hidden_size' expects"),
    ("load", ["config", "hidden_size"], "wide", "'hidden_size' expects"),
    ("load", ["config", "LIST_SUFFIX"], [1], "LIST_SUFFIX"),
    ("recommend", ["config", "MAX_ITEM_LIST_LENGTH"], None, "'MAX_ITEM_LIST_LENGTH' expects"),
    ("recommend", ["format"], torch.zeros(2, 2), "expected, other content found"),
    ("recommend", ["items", "has_time"], torch.zeros(0), "items: has_time: expected true or false"),
    ("recommend", ["training", "record"], torch.zeros(0), "training: record"),
    ("recommend", ["training", "record", "valid"], torch.zeros(3), "training: record"),
    ("recommend", ["items"], [1], "items: expected keys and values"),
]
"""Parts that were a traceback, or wrote elsewhere: the use, the part, its value, what is said."""


@pytest.mark.parametrize(("use", "part", "value", "said"), DAMAGED)
def test_damaged_checkpoints(use: str, part: list[Any], value: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    content = content_of("MMM4Rec")
    content["config"] = json.loads(content["config"])
    inner = content
    for key in part[:-1]:
        inner = inner[key]
    inner[part[-1]] = value
    torch.save({**content, "config": json.dumps(content["config"])}, path)
    with pytest.raises(UserError) as caught:
        uses(path, "MMM4Rec")[use]()
    assert said in str(caught.value)
    assert "odd.pth" in str(caught.value)


def test_other_tokens_of_a_model_of_recboles_own_that_are_none(tmp_path: Path) -> None:
    content = content_of(RECBOLES)
    content["other_tokens"] = {"user_id": None}
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(
        UserError, match=r"odd\.pth: damaged checkpoint: other_tokens: user_id: expected a list"
    ):
        gone_on(tmp_path / "odd.pth")


def test_a_damaged_optimiser_of_a_model_of_recboles_own(tmp_path: Path) -> None:
    content = content_of(RECBOLES)
    content["optimizer"]["state"] = torch.zeros(3)
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd\.pth: its optimiser cannot be used"):
        gone_on(tmp_path / "odd.pth")

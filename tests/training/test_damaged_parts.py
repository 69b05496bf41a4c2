"""Parts of a damaged checkpoint that long fuzzing found: one line each."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.training.item_contents import unpack_features
from recbole_mmm4rec.training.training_state import load_optimizer
from tests.recommend.trained import trained


def test_a_moment_that_is_one_number() -> None:
    weight = torch.nn.Parameter(torch.zeros(3, 2))
    optimizer = torch.optim.Adam([weight])
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    state = optimizer.state_dict()
    load_optimizer("run.pth", torch.optim.Adam([weight]), state)
    state["state"][0]["exp_avg"] = torch.tensor(1.0)
    with pytest.raises(UserError, match=r"run\.pth: damaged checkpoint, the state of its optimiser"):
        load_optimizer("run.pth", torch.optim.Adam([weight]), state)


@pytest.mark.parametrize("present", [torch.ones(3, dtype=torch.bool), torch.tensor(True), [True]])
def test_features_of_another_shape(present: Any) -> None:
    part = {"vectors": torch.zeros(()), "present": present, "metadata": "{}"}
    with pytest.raises(UserError, match=r"m\.pth: damaged checkpoint, its items' features are unreadable"):
        unpack_features("m.pth", 1, {"text": part})


def test_no_length_of_histories(tmp_path: Path) -> None:
    raw = torch.load(trained("MMM4Rec")[0], weights_only=True)
    raw["config"] = json.dumps(json.loads(raw["config"]) | {"MAX_ITEM_LIST_LENGTH": None})
    torch.save(raw, tmp_path / "m.pth")
    with pytest.raises(UserError, match=r"m\.pth: .*MAX_ITEM_LIST_LENGTH"):
        load(tmp_path / "m.pth", "cpu")


@pytest.mark.usefixtures("tiny")
def test_no_metric() -> None:
    with pytest.raises(UserError, match="metrics"):
        RunConfig("SASRec", "tiny", config_dict={"metrics": []})

"""Old names of keys and values: refused with the new one, and read under it from checkpoints."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.renamed import under_new_names
from recbole_mmm4rec.training.checkpoint import FORMAT, read_checkpoint, read_settings


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "values", "line"),
    [
        ("MMM4Rec", {"item_bias": False}, "config_dict: 'item_bias' is now called 'item_ids'"),
        ("UniSRec", {"transductive": True}, "config_dict: 'transductive' is now called 'item_ids'"),
        ("MMM4Rec", {"fidelity": "paper"}, "fidelity: 'paper' is now called 'repaired'"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(model: str, values: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as refused:
        RunConfig(model, "tiny", config_dict=values)
    assert str(refused.value) == line


@pytest.mark.usefixtures("tiny")
def test_a_model_without_the_key_is_not_sent_to_it() -> None:
    with pytest.raises(UserError, match="unknown key 'item_bias' for BPR"):
        RunConfig("BPR", "tiny", config_dict={"item_bias": False})


def test_old_checkpoints_are_read_under_the_new_names(tmp_path: Path) -> None:
    old = {"model": "UniSRec", "transductive": True, "fidelity": "paper", "seed": 1}
    new = {"model": "UniSRec", "item_ids": True, "fidelity": "repaired", "seed": 1}
    new |= {"co_occurrence": 0.0, "co_occurrence_content": 0.0}
    content = {"format": FORMAT, "config": json.dumps(old), "signature": "{}", "item_tokens": ["[PAD]", "a"]}
    torch.save(content | {"state_dict": {}, "optimizer": None, "training": None}, tmp_path / "old.pth")
    assert read_checkpoint(tmp_path / "old.pth").config == new
    assert read_settings(tmp_path / "old.pth") == new


def test_settings_of_other_packages_keep_their_keys() -> None:
    settings = {"model": "TheirModel", "item_bias": 3}
    assert under_new_names(settings) == settings

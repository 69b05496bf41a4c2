"""What is loaded again, and what is refused."""

from pathlib import Path

import pytest
import torch
from recbole.quick_start import load_data_and_model

from recbole_mmm4rec.config import RunConfig
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.selection import build_trainer
from tests.quick_start.test_whole_run import QUIET


def test_what_is_no_checkpoint_is_refused(in_tmp: Path) -> None:
    (in_tmp / "text.pth").write_text("hello")
    torch.save([1, 2], in_tmp / "list.pth")
    torch.save({"state_dict": {}}, in_tmp / "half.pth")
    for name in ("none.pth", "text.pth", "list.pth", "half.pth"):
        with pytest.raises(UserError, match=name):
            load_data_and_model(name)


@pytest.mark.usefixtures("tiny")
def test_a_pickle_of_recbole_loads_with_a_warning(in_tmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = run("BPR", "tiny", config_dict=QUIET)
    state = torch.load(result["checkpoint"], weights_only=True)
    config = RunConfig("BPR", "tiny", config_dict=QUIET)
    torch.save({**state, "config": config}, "old.pth")
    config, *_ = load_data_and_model("old.pth")
    assert config["model"] == "BPR"
    assert "old.pth is a pickle" in caplog.text


@pytest.mark.usefixtures("tiny")
def test_a_fine_tuned_permutation_of_codes_loads_again() -> None:
    """The checkpoint does not say that the run began with pre-trained weights."""
    sizes = {"hidden_size": 16, "inner_size": 16, "code_dim": 4, "code_cap": 8}
    before = run("VQRec", "tiny", config_dict={**QUIET, **sizes, "epochs": 1, "stage": "pretrain"})
    own = {"code_index": "own", "permutation_epochs": 1, "pretrained": before["checkpoint"]}
    after = run("VQRec", "tiny", config_dict={**QUIET, **sizes, **own, "learning_rate": 0.01})

    config, model, _, _, _, test_data = load_data_and_model(after["checkpoint"])
    state = torch.load(after["checkpoint"], weights_only=True)["state_dict"]
    assert "permutation.weight" in state
    assert not config["pretrained"]
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(loaded[name], value), name
    result = build_trainer(config, model).evaluate(test_data, load_best_model=False)
    assert dict(result) == dict(after["test_result"])

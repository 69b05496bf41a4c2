"""What is loaded again, and what is refused."""

from pathlib import Path

import pytest
import torch
from recbole.quick_start import load_data_and_model

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start import run
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

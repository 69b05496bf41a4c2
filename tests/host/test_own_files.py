"""Files of RecBole's trainers: one run, one file."""

from pathlib import Path

import pytest
import torch
from recbole.trainer import trainer as recbole_trainers

from recbole_mmm4rec.host.own_files import own_name
from recbole_mmm4rec.quick_start import run
from tests.quick_start.test_whole_run import QUIET


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("model", "width"), [("BPR", "embedding_size"), ("SASRec", "hidden_size")])
def test_two_runs_of_one_process_in_one_second_keep_their_checkpoints(
    model: str, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names were the same, so that the second run took the first one's checkpoint away."""
    monkeypatch.setattr(recbole_trainers, "get_local_time", lambda: "Nov-25-2026_12-00-00")
    values = [{**QUIET, "epochs": 1, width: size} for size in (16, 32)]
    paths = [run(model, "tiny", config_dict=each)["checkpoint"] for each in values]
    assert len({*paths}) == 2
    widths = [
        next(iter(torch.load(path, weights_only=True)["state_dict"].values())).shape[-1] for path in paths
    ]
    assert widths == [16, 32]


def test_a_name_is_given_once(in_tmp: Path) -> None:
    one, two = own_name("a.pth"), own_name("a.pth")
    assert one != two
    assert Path(one).suffix == Path(two).suffix == ".pth"
    last = own_name("b.pth")
    taken = own_name("b.pth")
    assert taken == last.replace(".pth", "-1.pth")
    Path(last.replace("b-", "c-")).touch()  # another container's process with this number
    assert own_name("c.pth") == last.replace("b-", "c-").replace(".pth", "-1.pth")

"""Runs in several processes, and what they refuse."""

from multiprocessing import SimpleQueue

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start import processes
from recbole_mmm4rec.quick_start.processes import run_in_processes
from tests.conftest import SMALL
from tests.quick_start.test_whole_run import QUIET


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["BPR", "MMM4Rec"])
def test_two_processes_share_a_run(model: str) -> None:
    values = {**QUIET, **(SMALL if model == "MMM4Rec" else {}), "epochs": 1}
    result = run_in_processes(2, {"model": model, "dataset": "tiny", "config_dict": values})
    assert result["epochs"] == 1
    assert result["test_result"]["recall@50"] > 0
    torch.load(result["checkpoint"], weights_only=True)


@pytest.mark.usefixtures("tiny")
def test_bad_input_is_found_before_processes_start() -> None:
    with pytest.raises(UserError, match="unknown key 'epoch'"):
        run_in_processes(2, {"model": "BPR", "dataset": "tiny", "config_dict": {"epoch": 1}})


def test_a_process_is_prepared_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(processes, "prepare_process", lambda: calls.append("prepare"))
    monkeypatch.setattr(processes, "run", lambda **arguments: calls.append("run"))
    processes._work(1, 2, 0, {}, SimpleQueue())
    assert calls == ["prepare", "run"]

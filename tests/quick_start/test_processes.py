"""Runs in several processes, and what they refuse."""

from functools import partial

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start.launch import Launch
from recbole_mmm4rec.quick_start.processes import run_in_processes
from tests.conftest import SMALL
from tests.quick_start.test_whole_run import QUIET


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["BPR", "MMM4Rec"])
def test_two_processes_share_a_run(model: str) -> None:
    values = {**QUIET, **(SMALL if model == "MMM4Rec" else {}), "epochs": 1}
    arguments = partial(dict, model=model, dataset="tiny", config_dict=values)
    result = run_in_processes(Launch(nproc=2), arguments)
    assert result["epochs"] == 1
    assert result["test_result"]["recall@50"] > 0
    torch.load(result["checkpoint"], weights_only=True)


@pytest.mark.usefixtures("tiny")
def test_bad_input_is_found_before_processes_start() -> None:
    with pytest.raises(UserError, match="unknown key 'epoch'"):
        run_in_processes(Launch(nproc=2), partial(dict, model="BPR", config_dict={"epoch": 1}))

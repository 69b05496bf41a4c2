"""Processes of the command line flush denormals; a program that imports the package does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = """
import warnings
warnings.simplefilter("error", UserWarning)
import numpy as np
import torch
from recbole_mmm4rec import MMM4Rec, load_data_and_model, run
torch.set_num_threads(2)

def denormals():
    return int((torch.full((1 << 18,), 1e-39) / 2 > 0).sum())

print(MMM4Rec.__name__, denormals() == 1 << 18)
from recbole_mmm4rec.cli.run_recbole import main
print(main(["--dataset=absent"]))
print(denormals())
np.finfo(np.float32), np.finfo(np.float64)
"""

THREADS = """
import torch
from recbole_mmm4rec.training.process import prepare_process
torch.set_num_threads(4)
prepare_process()
print(int((torch.full((1 << 20,), 1e-39) / 2 > 0).sum()))
"""


def _flushes() -> bool:
    done = torch.set_flush_denormal(True)
    torch.set_flush_denormal(False)
    return done


pytestmark = pytest.mark.skipif(not _flushes(), reason="this processor cannot flush denormals")


def _lines(program: str, folder: Path) -> list[str]:
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_denormals_belong_to_the_program_until_the_command_line_runs(tmp_path: Path) -> None:
    assert _lines(PROGRAM, tmp_path) == ["MMM4Rec True", "2", "0"]


def test_threads_that_start_later_flush_too(tmp_path: Path) -> None:
    assert _lines(THREADS, tmp_path) == ["0"]

"""A run logs to the console and to a file, and a program around it keeps what it had."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from colorlog import ColoredFormatter

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.loading import load_data_and_model
from tests.quick_start.test_whole_run import QUIET

VALUES = QUIET | {"epochs": 1}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[list[logging.Handler]]:
    """A program's own file and coloured console on the root logger, at level WARNING."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    handlers: list[logging.Handler] = [logging.FileHandler(tmp_path / "program.log"), logging.StreamHandler()]
    handlers[1].setFormatter(ColoredFormatter())
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    yield handlers
    root.handlers[:] = before
    root.setLevel(level)
    handlers[0].close()


def surroundings() -> tuple[object, ...]:
    root = logging.getLogger()
    return root.handlers[:], root.level, os.getcwd(), sys.stdout, sys.stderr


@pytest.mark.usefixtures("tiny")
def test_a_program_keeps_its_handlers_level_folder_and_streams(
    in_tmp: Path, program: list[logging.Handler]
) -> None:
    before = surroundings()
    result = run("BPR", "tiny", config_dict=VALUES)
    assert surroundings() == before
    load_data_and_model(result["checkpoint"])
    with pytest.raises(UserError, match="topk"):
        run("BPR", "tiny", config_dict={**VALUES, "topk": [500]})
    assert surroundings() == before
    logging.getLogger().warning("the program goes on")
    assert (in_tmp / "program.log").read_text().endswith("the program goes on\n")
    assert result["checkpoint"]


@pytest.mark.usefixtures("tiny", "program")
def test_every_run_has_a_log_of_its_own(in_tmp: Path) -> None:
    for seed in (1, 2):
        run("BPR", "tiny", config_dict={**VALUES, "seed": seed})
    logs = [path.read_text() for path in (in_tmp / "log" / "BPR").iterdir()]
    assert len(logs) == 2
    assert sorted(f"seed = {seed}" in log for log in logs for seed in (1, 2)) == [False, False, True, True]
    assert all("test result" in log and "\x1b" not in log for log in logs)
    logging.getLogger().warning("later")
    assert [path.read_text() for path in (in_tmp / "log" / "BPR").iterdir()] == logs

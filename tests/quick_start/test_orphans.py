"""The processes of a run end together, whichever of them is killed."""

import os
import signal
from pathlib import Path

import pytest

from tests.programs import alive, finish, kill, start, two_places, until, workers

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")

LONG = ["--dataset=tiny", "--nproc=2", "--epochs=100000", "--patience=100000", "--hidden_size=16"]


@pytest.mark.usefixtures("tiny")
def test_processes_end_with_the_one_that_started_them(in_tmp: Path) -> None:
    process = start(in_tmp, "--model=SASRec", *LONG)
    until(lambda: list((in_tmp / "saved").glob("*.pth")))
    assert len(alive(in_tmp)) >= 3
    kill(process)
    until(lambda: not alive(in_tmp), 30)


def test_a_killed_process_ends_the_run_in_one_line(tiny: Path, in_tmp: Path) -> None:
    """Of two runs side by side, one loses its process 0, the other its process 1."""
    places = two_places(tiny, in_tmp, "loses 0", "loses 1")
    runs = [start(place, "--model=SASRec", *LONG) for place in places]
    for rank, (place, process) in enumerate(zip(places, runs, strict=True)):
        until(lambda: list((place / "saved").glob("*.last.pth")))  # noqa: B023
        os.kill(workers(process)[rank], signal.SIGKILL)
        code, said = finish(process)
        assert code == 2
        line = f"error: process {rank} of 2: its process was ended by signal 9; the run goes on with"
        assert said.count(line) == 1, said[-2000:]
        assert "Traceback" not in said
        until(lambda: not alive(place), 30)  # noqa: B023

"""Runs in processes and on Ray: each does its work elsewhere, and what dies is told."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from recbole_mmm4rec.benchmark.launchers import Launcher, ProcessLauncher, RayLauncher
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from tests.benchmark.test_schedule import make_plan


def note_process(plan: RunPlan, folder: Path) -> None:
    """A run that leaves the number of its process, or is killed."""
    if plan.key == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / plan.key).write_text(str(os.getpid()))


@pytest.fixture(params=["process", "ray"])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Launcher]:
    if request.param == "ray":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[tune]>=2.50'")
    kind = {"process": ProcessLauncher, "ray": RayLauncher}[request.param]
    started = kind(tmp_path, 2, note_process)
    yield started
    started.stop()


def test_runs_are_done_elsewhere_and_a_death_is_told(launcher: Launcher, tmp_path: Path) -> None:
    for name in ("one", "other", "killed"):
        launcher.start(make_plan(name))
    endings: dict[str, str] = {}
    while len(endings) < 3:
        endings |= {plan.key: ending for plan, ending in launcher.wait()}
    assert (endings.pop("one"), endings.pop("other")) == ("", "")
    assert "ended" in endings.pop("killed")
    numbers = {(tmp_path / name).read_text() for name in ("one", "other")}
    assert str(os.getpid()) not in numbers
    assert len(numbers) == 2

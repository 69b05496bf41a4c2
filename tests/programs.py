"""Runs as programs of their own, to be killed, and what such a run would have done undisturbed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from recbole_mmm4rec.cli.run_recbole import main
from tests.forked import in_a_process

ROOT = Path(__file__).parents[1]


def two_places(data: Path, folder: Path, *names: str) -> tuple[Path, Path]:
    """Two new working folders with the same data, for runs side by side."""
    one, other = (folder / name for name in names)
    for place in (one, other):
        place.mkdir()
        (place / "atomic_data").symlink_to(data.parent)
    return one, other


def undisturbed(folder: Path, *flags: str) -> int:
    """The exit code of ``run_recbole.py`` with these flags in a folder, without a new start of Python."""
    return in_a_process(_run, folder, flags)


def _run(folder: Path, flags: tuple[str, ...]) -> None:
    os.chdir(folder)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    sys.exit(main(flags))


def start(folder: Path, *flags: str, **options: Any) -> "subprocess.Popen[str]":
    """``run_recbole.py`` with these flags at work in a folder; what it prints can be read from it."""
    return _start(folder, [str(ROOT / "run_recbole.py"), *flags], options)


def start_command(folder: Path, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """``recbole-mmm4rec`` with these arguments, in the same way."""
    return _start(folder, ["-m", "recbole_mmm4rec", *arguments], options)


def _start(folder: Path, arguments: list[str], options: dict[str, Any]) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, **(pipes | options))


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and what was printed, logs and errors."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def kill(process: "subprocess.Popen[str]") -> None:
    """A kill that no process can hear."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def until(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(folder: Path) -> list[str]:
    """Processes other than this one whose working folder lies in ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in os.readlink(process / "cwd") and process.name != str(os.getpid()):
                found.append(process.name)
        except OSError:
            continue
    return found


def workers(process: "subprocess.Popen[str]") -> list[int]:
    """The processes that one started with ``multiprocessing``, in the order of their start."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid and "spawn_main" in (place / "cmdline").read_text():
                found.append(int(place.name))
        except OSError:
            continue
    return sorted(found)

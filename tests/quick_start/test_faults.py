"""What the machine does to a run: a full disk, a folder that is none, Ctrl-C, another run beside it."""

import logging
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.host.run_logging import LogFile
from tests.programs import alive, finish, start, until

TRAIN = ["--dataset=tiny", "--model=SASRec", "--hidden_size=32", "--show_progress=False"]
LIMIT = 60_000  # bytes of one file: less than a checkpoint, more than a log


def limited() -> None:
    """As on a full disk, writing ends in the middle of a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("tiny")
def test_a_full_disk_is_one_line_and_loses_nothing(in_tmp: Path) -> None:
    saved = in_tmp / "saved"
    assert main([*TRAIN, "--epochs=1"]) == 0
    before = contents(saved)
    (last,) = saved.glob("*.last.pth")
    assert last.stat().st_size > LIMIT
    code, said = finish(start(in_tmp, f"--resume={last}", "--epochs=3", preexec_fn=limited))
    assert code == 2
    assert f"error: {saved}/" in said or "error: saved/" in said
    assert "cannot be written: " in said
    assert "Traceback" not in said
    assert contents(saved) == before
    assert main([f"--resume={last}", "--epochs=3"]) == 0


@pytest.mark.usefixtures("tiny")
def test_a_full_disk_ends_all_processes_in_one_line(in_tmp: Path) -> None:
    code, said = finish(start(in_tmp, *TRAIN, "--nproc=2", "--epochs=2", preexec_fn=limited))
    assert code == 2
    assert "cannot be written: " in said
    assert "Traceback" not in said
    assert not list((in_tmp / "saved").iterdir())


def test_a_log_that_cannot_be_written_says_so_once(tmp_path: Path, capfd: Any) -> None:
    handler = LogFile(tmp_path / "run.log")
    handler.stream = open("/dev/full", "w")  # noqa: SIM115
    for number in range(3):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    said = capfd.readouterr().err
    assert said.count("run.log cannot be written: [Errno 28] No space left on device") == 1
    assert "Traceback" not in said


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["saved", "log"])
def test_a_folder_that_cannot_be_made_is_one_line(name: str, in_tmp: Path, capfd: Any) -> None:
    (in_tmp / name).write_text("in the way")
    assert main([*TRAIN, "--epochs=1"]) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert name in errors[0]


@pytest.mark.usefixtures("tiny")
def test_two_runs_at_once_in_one_folder_do_not_meet(in_tmp: Path, capfd: Any) -> None:
    code = main([*TRAIN, "--epochs=2", "--checkpoint_dir=alone"])
    expected = results((code, "".join(capfd.readouterr())))
    both = [start(in_tmp, *TRAIN, "--epochs=2") for _ in range(2)]
    assert [results(finish(process)) for process in both] == [expected, expected]
    assert len(list((in_tmp / "saved").glob("*.pth"))) == 4


def results(outcome: tuple[int, str]) -> list[str]:
    code, said = outcome
    assert code == 0, said[-2000:]
    return [line.partition("result")[2] for line in said.splitlines() if "test result" in line]


@pytest.mark.usefixtures("tiny")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_ctrl_c_while_the_server_of_a_benchmark_starts(in_tmp: Path) -> None:
    flags = ["--benchmark=Pop", "--dataset=tiny", "--output=out"]
    process = start(in_tmp, *flags, start_new_session=True)
    until(lambda: server_of(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    code, said = finish(process)
    assert code == 130
    assert "Traceback" not in said
    assert "interrupted" in said
    until(lambda: not alive(in_tmp), 60)


def server_of(parent: int) -> bool:
    """Whether the server of a program's processes is there and in the middle of loading torch."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(place.name)) == parent and "forkserver" in (place / "cmdline").read_text():
                return "libtorch" in (place / "maps").read_text()
        except OSError:
            continue
    return False

"""Two "hosts" on loopback, each with its working folder: they do one run, and end or go on together."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
import torch

from tests.programs import ROOT, alive, finish, start, until, workers

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")

SMALL = ["--dataset=tiny", "--model=SASRec", "--hidden_size=16", "--inner_size=16", "--show_progress=False"]
LONG = [*SMALL, "--epochs=100000", "--patience=100000"]
WORDS = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--rdzv_backend=c10d"]


@pytest.fixture
def hosts(tiny: Path, in_tmp: Path) -> list[Path]:
    """Two folders with the same dataset; the first has what is at work in it ended."""
    folders = [in_tmp / "one", in_tmp / "two"]
    for folder in folders:
        copytree(tiny, folder / "atomic_data" / "tiny")
    return folders


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(folder: Path, port: int, each: int, *flags: str) -> "subprocess.Popen[str]":
    """An agent of torchrun with ``each`` processes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [*WORDS, f"--nproc_per_node={each}", "--max-restarts=1", f"--rdzv_endpoint=127.0.0.1:{port}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = [*words, str(ROOT / "run_recbole.py"), *flags]
    return subprocess.Popen(program, cwd=folder, env=environment, text=True, **pipes)


def trainers(folder: Path) -> list[int]:
    """Processes that train in a folder, without torchrun's agents and the sentinels."""
    found = []
    for number in alive(folder):
        line = Path("/proc", number, "cmdline").read_bytes()
        if b"run_recbole.py" in line and b"torch.distributed.run" not in line and b"sentinel" not in line:
            found.append(int(number))
    return found


def states(hosts: list[Path]) -> list[Path]:
    return [path for host in hosts for path in (host / "saved").glob("*.last.pth")]


def end_all(folder: Path) -> None:
    """What a test that fails leaves behind."""
    for number in alive(folder):
        os.kill(int(number), signal.SIGKILL)


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path)


def test_torchrun_does_one_run_and_goes_on_after_a_kill(hosts: list[Path]) -> None:
    flags = [*SMALL, "--epochs=12", "--patience=100"]
    port = free_port()
    agents = [torchrun(folder, port, 2, *flags) for folder in hosts]
    until(lambda: states(hosts))
    (state,) = states(hosts)
    other = next(folder for folder in hosts if folder not in state.parents)
    os.kill(trainers(other)[0], signal.SIGKILL)
    said = [finish(agent) for agent in agents]
    assert [code for code, _ in said] == [0, 0], said
    results = [re.findall(r"test result.*OrderedDict\((.*)\)", text) for _, text in said]
    assert results[0] == results[1]
    assert len(results[0]) == 1
    assert all("started again: the run goes on from epoch" in text for _, text in said)
    (state,) = states(hosts)
    training = torch.load(state, weights_only=True)["training"]
    assert training["next_epoch"] == 12
    assert len(training["random"]) == 4
    assert sum(len(list((host / "saved").glob("*.pth"))) for host in hosts) == 2


class Link:
    """A wire between a host and the port where all meet, which can be cut: nothing passes any more."""

    def __init__(self, port: int) -> None:
        self.whole, self.target = True, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            while not self.whole:
                time.sleep(1)
            target.sendall(data)


def by_flags(folder: Path, number: int, port: int, *flags: str) -> "subprocess.Popen[str]":
    place = ["--nproc=1", "--world_size=2", f"--group_offset={number}", "--ip=127.0.0.1", f"--port={port}"]
    return start(folder, *place, "--heartbeat_timeout=4", *flags)


LOST = ("no answer from", "the connection to another process is lost", "of 2: no sign of life")
"""What a process says of a cut link, whose end an exchange may notice first, or either side's watch."""


def test_a_cut_link_ends_both_hosts_in_one_line_each(hosts: list[Path]) -> None:
    port = free_port()
    first = by_flags(hosts[0], 0, port, *LONG)
    until(lambda: listens(port))
    link = Link(port)
    second = by_flags(hosts[1], 1, link.port, *LONG)
    until(lambda: states(hosts))
    link.whole = False
    for process in (first, second):
        code, said = finish(process)
        assert code == 2, said[-2000:]
        (line,) = errors(said)
        assert any(words in line for words in LOST), said[-2000:]
    until(lambda: not alive(hosts[0].parent), 30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def errors(said: str) -> list[str]:
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line.startswith("error: ")]


def test_hosts_with_other_files_are_refused(hosts: list[Path]) -> None:
    table = hosts[1] / "atomic_data" / "tiny" / "tiny.inter"
    table.write_text(table.read_text().replace("u1\t", "u2\t", 1))
    port = free_port()
    for process in [by_flags(folder, number, port, *SMALL) for number, folder in enumerate(hosts)]:
        code, said = finish(process)
        assert code == 2
        (line,) = errors(said)
        assert "processes 0 and 1 are on hosts with different files of 'tiny': tiny.inter" in line
    assert not states(hosts)


@pytest.mark.usefixtures("tiny")
def test_a_process_that_is_stopped_ends_the_run(in_tmp: Path) -> None:
    process = start(in_tmp, *LONG, "--nproc=2", "--heartbeat_timeout=4")
    until(lambda: states([in_tmp]))
    os.kill(workers(process)[1], signal.SIGSTOP)
    began = time.monotonic()
    code, said = finish(process)
    assert time.monotonic() - began < 60
    assert code == 2
    assert errors(said) == ["error: process 1 of 2: no sign of life for 4 s"]
    until(lambda: not alive(in_tmp), 30)


@pytest.mark.usefixtures("tiny")
def test_a_loss_that_is_not_a_number_ends_the_run(in_tmp: Path) -> None:
    process = start(in_tmp, "--dataset=tiny", "--model=BPR", "--learning_rate=1e30", "--nproc=2")
    code, said = finish(process)
    assert code == 2
    (line,) = errors(said)
    assert "training loss is nan" in line
    until(lambda: not alive(in_tmp), 30)

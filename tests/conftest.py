"""A tiny data set in a folder of its own, for tests of whole runs."""

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tests.fuzzing import SECONDS, TRIED, Fuzzer

USERS, ITEMS, WIDTH = 30, 60, 12

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "inner_size": 16,
    "head_dim": 16,
    "d_state": 8,
    "n_groups": 2,
    "train_batch_size": 64,
    "accumulation_steps": 1,
    "learning_rate": 0.01,
    "epochs": 1,
    "show_progress": False,
}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same random numbers in every test, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _anomaly_mode() -> None:
    """No check of every gradient, which a test that imports RecBole's SINE would leave on for the others."""
    torch.autograd.set_detect_anomaly(False)


@pytest.fixture(autouse=True)
def _denormals() -> None:
    """Denormal numbers, whichever test has called the command line, which flushes them."""
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True)
def _log_handlers() -> Iterator[None]:
    """The root logger's handlers, whichever a test leaves behind that calls RecBole's own runs or Ray."""
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; RecBole writes logs and checkpoints into it, and reads no flags of pytest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["test"])
    return tmp_path


@pytest.fixture
def tiny(in_tmp: Path) -> Path:
    """``atomic_data/tiny`` of :func:`write_tiny` in an empty working folder."""
    return write_tiny(in_tmp)


def write_tiny(parent: Path) -> Path:
    """``atomic_data/tiny`` with times a few seconds apart, and text vectors of all but one item."""
    folder = parent / "atomic_data" / "tiny"
    write_interactions(folder, "tiny", times=True)
    matrix = np.random.default_rng(1).normal(size=(ITEMS - 1, WIDTH)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), WIDTH)
    tokens = pa.array([f"i{item}" for item in range(ITEMS - 1)])
    table = pa.table({"item_id": tokens, "embedding": vectors})
    table = table.replace_schema_metadata({"modality": '{"encoder": "random"}'})
    pq.write_table(table, folder / "tiny.text.parquet")
    return folder


@pytest.fixture
def timeless(in_tmp: Path) -> Path:
    """``atomic_data/timeless``: interactions without times, in the order of the file."""
    folder = in_tmp / "atomic_data" / "timeless"
    write_interactions(folder, "timeless", times=False)
    return folder


def write_interactions(folder: Path, name: str, times: bool) -> None:
    """Six to nine events a user; neighbours are 1 to 5 s apart, which float32 seconds cannot tell."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        items = rng.choice(ITEMS, size=rng.integers(6, 10), replace=False)
        moments = 1_500_000_000 + 1000 * user + np.cumsum(rng.integers(1, 6, size=len(items)))
        rows += [(f"u{user}", f"i{item}", moment) for item, moment in zip(items, moments, strict=True)]
    rows = [rows[row] for row in rng.permutation(len(rows))] if times else rows
    header = ["user_id:token", "item_id:token", *(["timestamp:float"] if times else [])]
    lines = ["\t".join(header), *("\t".join(map(str, row[: len(header)])) for row in rows)]
    (folder / f"{name}.inter").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of runs of :class:`tests.tiny.TinyModel`, its dataset in it."""
    from tests.tiny import TinyModel, write_dataset

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TinyModel, "kill_at", None)
    write_dataset(tmp_path)
    return tmp_path


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Iterator[Fuzzer]:
    """Try a check on many inputs; the seconds of ``FUZZ_SECONDS`` are shared among the tests that are run."""
    tests = sum("fuzz" in getattr(item, "fixturenames", ()) for item in request.session.items)
    fuzzer = Fuzzer(SECONDS / max(tests, 1))
    yield fuzzer
    TRIED[request.node.nodeid] = fuzzer.inputs


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many inputs were tried, where the tests went on for longer than in CI."""
    for name, count in TRIED.items() if SECONDS else ():
        terminalreporter.write_line(f"{name}: {count:,} inputs")

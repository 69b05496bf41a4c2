"""A benchmark that is killed in the middle of a run: its processes end, and the same command goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from recbole_mmm4rec.benchmark import command
from recbole_mmm4rec.benchmark.results import run_folder
from recbole_mmm4rec.benchmark.single_run import do_run
from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.files import read_json_lines
from tests.benchmark.conftest import COMMON, SASREC, MakePlans
from tests.benchmark.test_single_run import outcome
from tests.programs import alive, until

ROOT = Path(__file__).parents[2]
EPOCHS = 40
PATIENCE = {"epochs": EPOCHS, "patience": EPOCHS}


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that a report was asked for; none is written."""
    asked: list[Path] = []

    def write_report(folder: Path) -> Path:
        asked.append(folder)
        return folder / "report.html"

    monkeypatch.setattr(command, "import_module", lambda name: SimpleNamespace(write_report=write_report))
    return asked


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums depend on how many threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_benchmark_goes_on_where_it_was(
    make_plans: MakePlans, in_tmp: Path, reports: list[Path]
) -> None:
    settings = [{"model": "Pop"}, SASREC]
    first, second = make_plans(*settings, common=PATIENCE)
    whole = do_run(second, in_tmp / "whole")
    flags = ["--benchmark=some.yaml", "--output=out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    # as many workers as cores: one thread each
    program = [sys.executable, str(ROOT / "run_recbole.py"), *flags, f"--workers={os.cpu_count()}"]
    killed = subprocess.Popen(program, env=environment, stderr=subprocess.DEVNULL)
    place = run_folder(in_tmp / "out", second.key)
    other = run_folder(in_tmp / "out", first.key) / "record.json"
    until(lambda: other.exists() and sum("training" in line for line in log_of(place)) > 3)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    until(lambda: not alive(in_tmp / "out"))
    assert not (place / "record.json").exists()
    done = other.stat().st_mtime_ns

    assert main([*flags, "--workers=0"]) == 0
    rows = {row["key"]: row for row in read_json_lines(in_tmp / "out" / "runs.jsonl")}
    assert outcome(rows[second.key]) == outcome(whole)
    assert any("Resume training from epoch" in line for line in log_of(place))
    assert other.stat().st_mtime_ns == done
    assert reports == [in_tmp / "out"]


def log_of(place: Path) -> list[str]:
    path = place / "log.txt"
    return path.read_text().splitlines() if path.is_file() else []


@pytest.mark.usefixtures("tiny")
def test_models_by_name_in_processes(in_tmp: Path, reports: list[Path], capsys: Any) -> None:
    flags = [
        "--dataset=tiny",
        "--seeds=1",
        "--workers=2",
        "--topk=[5]",
        "--valid_metric=NDCG@5",
        "--epochs=1",
    ]
    assert main(["--benchmark=Pop,BPR", *flags]) == 0
    folder = in_tmp / "benchmark_results" / "Pop-BPR"
    rows = read_json_lines(folder / "runs.jsonl")
    assert {(row["model"], row["seed"], row["status"]) for row in rows} == {
        ("Pop", 1, "finished"),
        ("BPR", 1, "finished"),
    }
    plan = yaml.safe_load((folder / "plan.yaml").read_text())
    assert set(plan.pop("keys")) == {row["key"] for row in rows}
    assert plan == {
        "title": "Pop, BPR",
        "datasets": ["tiny"],
        "settings": ["Pop", "BPR"],
        "seeds": [1],
        "report": {},
    }
    assert f"report: {folder / 'report.html'}" in capsys.readouterr().out
    assert reports == [folder]


def test_a_failed_run_is_told_by_the_exit_code(
    make_plans: MakePlans, in_tmp: Path, reports: list[Path]
) -> None:
    make_plans({"model": "Pop"}, common={"topk": [5, 500], "valid_metric": "NDCG@5"})
    assert main(["--benchmark=some.yaml", "--output=out", "--workers=0"]) == 1
    assert reports == [in_tmp / "out"]
    assert main(["--report=out"]) == 0


@pytest.mark.usefixtures("reports", "tiny")
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--benchmark=Pop", "--dataset=tiny", "--nproc=2"], "--nproc and --benchmark do not go together"),
        (
            ["--benchmark=Pop", "--dataset=tiny", "--workers=two"],
            "--workers expects whole numbers, got 'two'",
        ),
        (["--benchmark=Pop", "--dataset=tiny", "--seeds=a"], "--seeds expects whole numbers, got 'a'"),
        (
            ["--benchmark=Pop", "--dataset=tiny", "--config_files=x.yaml"],
            "config file 'x.yaml' does not exist",
        ),
        (["--benchmark=Pop", "--dataset=tiny", "--launcher=slurm"], "--launcher: 'slurm'"),
        (["--benchmark=Popp", "--dataset=tiny"], "--benchmark: 'Popp' is not a file"),
        (["--report=nowhere"], "--report: nowhere/runs.jsonl does not exist"),
        (["--report"], "--report expects the folder of a benchmark"),
        (["--report=x", "--epochs=1"], "--report expects the folder of a benchmark; --epochs does not go"),
    ],
)
def test_bad_flags_are_one_line(flags: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(flags) == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith(f"error: {message}")


def test_common_values_may_come_from_files(in_tmp: Path, tiny: Path, reports: list[Path]) -> None:
    (in_tmp / "more.yaml").write_text("topk: [7]\nvalid_metric: NDCG@7\n")
    flags = [f"--dataset={tiny.name}", "--config_files=more.yaml", "--workers=0", "--output=out"]
    assert main(["--benchmark=Pop", *flags]) == 0
    assert "ndcg@7" in read_json_lines(in_tmp / "out" / "runs.jsonl")[0]["test"]
    assert COMMON["topk"] != [7]

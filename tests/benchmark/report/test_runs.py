"""What is wrong with a folder is said in one line that names the file."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark.report.runs import read_runs
from recbole_mmm4rec.benchmark.report.writing import write_report
from recbole_mmm4rec.errors import UserError
from tests.benchmark.report.folder import make_run

GOOD: dict[str, Any] = {
    "key": "k",
    "model": "SASRec",
    "dataset": "shop",
    "setting": "SASRec",
    "seed": 1,
    "status": "finished",
    "test": {"recall@10": 0.1},
}


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"runs\.jsonl: no such file"):
        write_report(tmp_path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "runs.jsonl").write_text(text)
    with pytest.raises(UserError, match=r"runs\.jsonl: no run in it"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not readable as JSON"),
        ("3", "line 2: expected keys and values, found 3"),
        (json.dumps(GOOD | {"model": None}), "line 2: 'model' is missing"),
        (
            json.dumps(GOOD | {"status": "late"}),
            "line 2: status: expected 'finished' or 'failed', found 'late'",
        ),
        (
            json.dumps(GOOD | {"test": {"recall@10": "high"}}),
            "line 2: test: recall@10: expected a number, found 'high'",
        ),
        (json.dumps(GOOD | {"seconds": True}), "line 2: seconds: expected a number, found True"),
        (json.dumps(GOOD | {"seed": 1.5}), "line 2: seed: expected a whole number, found 1.5"),
        (json.dumps(GOOD | {"seed": "1"}), "line 2: seed: expected a whole number, found '1'"),
        (json.dumps(GOOD | {"config": []}), "line 2: config: expected keys and values, found []"),
        (json.dumps(GOOD | {"users": {"a": 1}}), "line 2: users: expected a text, found {'a': 1}"),
        (json.dumps(GOOD | {"curve": 3}), "line 2: curve: expected a list, found 3"),
        (json.dumps(GOOD | {"curve": [3]}), "line 2: curve: entry 1: expected keys and values, found 3"),
        (json.dumps(GOOD | {"setting": "\ud800"}), "line 2: has a character that is not valid Unicode"),
        ("[" * 100_000 + "]" * 100_000, "line 2: nested too deeply"),
        (json.dumps(GOOD | {"test": [1]}), "line 2: test: expected keys and values, found [1]"),
        (json.dumps(GOOD | {"curve": [{"steps": 3}]}), "line 2: curve: entry 1: 'epochs' is missing"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n{json.dumps(GOOD)}\n")
    with pytest.raises(UserError) as caught:
        read_runs(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_last_line_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD)[:40])
    with caplog.at_level(logging.WARNING):
        assert len(read_runs(path)) == 1
    assert "line 2: cut off" in caplog.text


def test_of_a_repeated_run_the_last_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    lines = [GOOD | {"status": "failed"}, GOOD, GOOD | {"setting": "another label"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    runs = read_runs(path)
    assert [(run.setting, run.finished) for run in runs] == [("SASRec", True), ("another label", True)]


def test_epochs_count_from_one() -> None:
    run = make_run(best_epoch=4, curve=[{"epoch": 4, "seconds": 3.5, "valid": {"NDCG@10": 0.2}}])
    assert run.best_point is not None
    assert (run.best_epoch, run.best_point.epochs, run.best_point.seconds) == (5, 5, 3.5)
    assert run.curve[0].valid == {"ndcg@10": 0.2}
    assert make_run(best_epoch=-1).best_epoch is None
    assert make_run(curve=[{"epoch": None, "epochs": 0.5, "steps": 3}]).best_point is None

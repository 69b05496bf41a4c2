"""What is wrong with a folder is said in one line that names the file."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.reading import read_runs
from recbole_mmm4rec.benchmark.report.users import UserFiles
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
        ("{", "line 2: no JSON"),
        ("3", "line 2: no JSON object"),
        (json.dumps(GOOD | {"model": None}), "line 2: 'model' is missing"),
        (json.dumps(GOOD | {"status": "late"}), "line 2: status 'late'"),
        (json.dumps(GOOD | {"test": {"recall@10": "high"}}), "line 2: 'recall@10' is no number: 'high'"),
        (json.dumps(GOOD | {"test": [1]}), "line 2: 'test' is no object"),
        (json.dumps(GOOD | {"curve": [{"steps": 3}]}), "line 2: a point of 'curve' has no epoch"),
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
    assert (run.best_epoch, run.seconds_to_best) == (5, 3.5)
    assert run.curve[0].valid == {"ndcg@10": 0.2}
    assert make_run(best_epoch=-1).best_epoch is None


def users_error(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        UserFiles(folder).rows(make_run(users="users.npz"))
    assert str(folder / "users.npz") in str(caught.value)
    return str(caught.value)


def test_broken_files_of_users(tmp_path: Path) -> None:
    path = tmp_path / "users.npz"
    path.write_bytes(b"no archive")
    assert "cannot be read" in users_error(tmp_path)
    np.savez(path, user=np.arange(3))
    assert "no array 'rank'" in users_error(tmp_path)
    np.savez(path, user=np.arange(3), rank=np.arange(2))
    assert "'rank' has shape (2,), 'user' has (3,)" in users_error(tmp_path)
    np.savez(path, user=np.array([object()]), rank=np.arange(1))
    assert "cannot be read" in users_error(tmp_path)  # pickled objects are never loaded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("report: [1]", "report: expected keys and values"),
        ("report: {ours: 3}", "ours: expected a text"),
        ("report: {metrics: {a: b}}", "metrics: expected a str in each place"),
        ("report: {metrics: [recall@7]}", "metric 'recall@7' is in no run; there are recall@10"),
        ("report: {metric: recall@10}", "report: unknown key 'metric'; known are ours"),
        ("report: {sections: [graphs]}", "no section 'graphs'; there are summary"),
        ("report: {", "no YAML"),
        ("keys: [other]", "none of the runs that the plan names"),
    ],
)
def test_a_wrong_plan_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "runs.jsonl").write_text(json.dumps(GOOD) + "\n")
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        write_report(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

"""Files in a benchmark's folder that are not what a benchmark writes: one line, before any run starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark.record import blank_record
from recbole_mmm4rec.benchmark.results import RUNS, Results, finished_run, run_folder
from recbole_mmm4rec.errors import UserError
from tests.benchmark.test_schedule import Fake, make_plan, work

DEEP = "[" * 100_000 + "]" * 100_000


def write_record(folder: Path, key: str, content: Any) -> None:
    place = run_folder(folder, key)
    place.mkdir(parents=True)
    (place / "record.json").write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"setting": None}, "run a: 'setting' is missing"),
        ({"config": [1]}, "run a: config: expected keys and values, found [1]"),
        ({"status": "done"}, "run a: status: expected 'finished' or 'failed', found 'done'"),
        ({"key": ["a"]}, "run ['a']: key: expected a text, found ['a']"),
    ],
)
def test_a_line_that_is_not_a_record_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / RUNS).write_text(json.dumps(blank_record(make_plan("a")) | change) + "\n")
    with pytest.raises(UserError) as caught:
        Results(tmp_path)
    assert str(caught.value) == f"{tmp_path / RUNS}, {message}"


def test_a_line_that_is_nested_too_deeply_is_left_out(tmp_path: Path) -> None:
    (tmp_path / RUNS).write_text(DEEP + "\n" + json.dumps(blank_record(make_plan("a"))) + "\n")
    assert list(Results(tmp_path).rows) == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [([], "expected keys and values, found []"), ({"key": "a"}, "'model' is missing")],
)
def test_a_record_of_another_kind_starts_nothing(tmp_path: Path, content: Any, message: str) -> None:
    write_record(tmp_path, "a", content)
    fake = Fake()
    with pytest.raises(UserError) as caught:
        work(tmp_path, fake, make_plan("b"), make_plan("a"))
    assert str(caught.value) == f"{run_folder(tmp_path, 'a') / 'record.json'}: {message}"
    assert fake.done == []


@pytest.mark.parametrize("content", ["", "{", DEEP])
def test_a_record_that_is_not_json_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    write_record(tmp_path, "a", content)
    assert finished_run(tmp_path, "a") is None

"""A small search with Ray: bad trials end early, what is over is looked up, one checkpoint stays."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[tune]>=2.50'")

from recbole_mmm4rec.files import read_json_lines
from recbole_mmm4rec.tuning.ray_search import Bookkeeping, Resources, search_with_ray
from recbole_mmm4rec.tuning.search import FAILED, FINISHED, STOPPED, Search, Trials, trial_record
from recbole_mmm4rec.tuning.space import Range, drawn
from tests.tuning.conftest import store_of

MakeSearch = Callable[..., Search]
CHOSEN = [{"learning_rate": rate, "n_layers": 1} for rate in (0.001, 0.01)]


def test_a_search_with_early_stopping(make_search: MakeSearch) -> None:
    space = {"learning_rate": Range("choice", (1e-6, 0.01, 0.02))}
    seed = next(n for n in range(99) if drawn(space, 3, n)[0] == {"learning_rate": 0.02})
    search = make_search(space, epochs=4)
    known = trial_record(search.key({"learning_rate": 0.02}), {"learning_rate": 0.02}, FINISHED)
    known |= {"score": 0.9, "epochs": 4, "scores": [0.9, 0.8, 0.7, 0.6]}
    store_of(search).add(known)
    one_at_a_time = Resources(cpus=os.cpu_count() or 1, grace_period=1)
    search_with_ray(Trials(search), store_of(search), "asha", 3, seed, one_at_a_time)
    rows = {row["params"]["learning_rate"]: row for row in read_json_lines(search.folder / "trials.jsonl")}
    assert rows.pop(0.02) == known | {"search": search.identity}
    assert set(rows) == {1e-6, 0.01}
    for row in rows.values():
        assert (row["status"], row["epochs"]) == (STOPPED, 1)
        assert [row["score"]] == row["scores"]
    assert not list((search.folder / "checkpoints").iterdir())
    assert "learning_rate: 0.02" in (search.folder / "best.yaml").read_text()
    assert not (search.folder / "ray").exists()


@pytest.fixture
def bookkeeping(make_search: MakeSearch) -> Bookkeeping:
    trials = Trials(make_search())
    return Bookkeeping(trials, store_of(trials.search), CHOSEN)


def trial(number: int) -> Any:
    return SimpleNamespace(trial_id=str(number), config={"number": number})


def told(folder: Path) -> list[tuple[Any, ...]]:
    rows = read_json_lines(folder / "trials.jsonl")
    return [(row["params"]["learning_rate"], row["status"], row["score"], row["scores"]) for row in rows]


def test_a_trial_that_the_scheduler_ended_keeps_its_scores(bookkeeping: Bookkeeping) -> None:
    for epoch, score in enumerate((0.1, 0.3, 0.2)):
        bookkeeping.on_trial_result(trial=trial(0), result={"epoch": epoch + 1, "score": score, "record": ""})
    bookkeeping.on_trial_complete(trial=trial(0))
    assert told(bookkeeping.search.folder) == [(0.001, STOPPED, 0.3, [0.1, 0.3, 0.2])]


def test_a_trial_that_ended_is_written_down_as_it_says(bookkeeping: Bookkeeping) -> None:
    search = bookkeeping.search
    record = trial_record(search.key(CHOSEN[1]), CHOSEN[1], FINISHED) | {"score": 0.5, "scores": [0.5]}
    result = {"epoch": 2, "score": 0.5, "record": json.dumps(record)}
    bookkeeping.on_trial_result(trial=trial(1), result=result)
    bookkeeping.on_trial_complete(trial=trial(1))
    assert told(search.folder) == [(0.01, FINISHED, 0.5, [0.5])]
    bookkeeping.on_trial_result(trial=trial(1), result={"epoch": 1, "score": 0.9, "record": ""})
    bookkeeping.on_trial_complete(trial=trial(1))
    assert told(search.folder) == [(0.01, FINISHED, 0.5, [0.5])]


def test_a_worker_that_died_is_a_failed_trial(bookkeeping: Bookkeeping) -> None:
    bookkeeping.on_trial_error(trial=trial(0))
    assert told(bookkeeping.search.folder) == [(0.001, FAILED, None, [])]
    assert bookkeeping.first_error == "its Ray worker died"

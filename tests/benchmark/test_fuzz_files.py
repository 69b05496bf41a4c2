"""Any definition, record or search space: a plan, a report or a space, or one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import strategies as st

from recbole_mmm4rec.benchmark.expansion import Expansion
from recbole_mmm4rec.benchmark.report.study import read_study
from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.benchmark.report.writing import write_report
from recbole_mmm4rec.benchmark.results import Results
from recbole_mmm4rec.benchmark.spec import read_benchmark
from recbole_mmm4rec.prepare import SHIPPED
from recbole_mmm4rec.tuning.space import drawn, read_space
from tests.benchmark.report.folder import SETTINGS, add, write_runs
from tests.fuzzing import DELETED, Fuzzer, anything, edits, files_under, mutated, places, replaced, tried

DEFINITION: dict[str, Any] = {
    "title": "A study",
    "datasets": ["tiny"],
    "seeds": [2020, 2021],
    "common": {"epochs": 1, "topk": [5], "valid_metric": "NDCG@5"},
    "settings": [
        {"name": "one", "model": "SASRec", "n_layers": 1, "hidden_size": 16},
        {"name": "two", "model": "BPR", "datasets": ["tiny"]},
        {"name": "three", "model": "UniSRec", "pretrain": {"dataset": ["same"], "epochs": 1}},
    ],
    "report": {
        "ours": "one",
        "baselines": {"group": ["two"]},
        "metrics": ["NDCG@5"],
        "sections": ["comparison"],
    },
}
PLAN: dict[str, Any] = {
    "title": "T",
    "settings": ["SASRec", "MMM4Rec"],
    "keys": [],
    "report": {"ours": "MMM4Rec"},
}
SPACE = "learning_rate loguniform -8,0\nhidden_size quniform 32,128,32\nn_layers choice [1,2]\n"
parts = st.tuples(places, anything | st.just(DELETED))


@pytest.mark.usefixtures("tiny")
def test_definitions(in_tmp: Path, fuzz: Fuzzer) -> None:
    path = in_tmp / "study.yaml"
    path.touch()
    before = files_under(in_tmp)
    shipped = tuple(f"atomic_data/{name}" for name in SHIPPED)

    def check(example: tuple[tuple[list[int], Any], list[tuple[int, int, bytes]]]) -> None:
        part, changes = example
        content = yaml.safe_dump(replaced(DEFINITION, *part), allow_unicode=False).encode(errors="replace")
        path.write_bytes(mutated(content, changes))
        tried(lambda: Expansion(read_benchmark(path), {}).plans())
        # a definition may name a dataset that is made on demand, or none, which is one of these
        made = {path for path in files_under(in_tmp) if path.startswith(shipped)}
        assert files_under(in_tmp) - made == before

    fuzz(check, st.tuples(parts, st.just([]) | edits), examples=50)


@pytest.fixture
def results(in_tmp: Path) -> list[dict[str, Any]]:
    """Runs of two settings with their users."""
    entries = [add(in_tmp, setting, "shop", 2020, 30) for setting in (SETTINGS[0], SETTINGS[-1])]
    write_runs(in_tmp, entries)
    return entries


def test_records(results: list[dict[str, Any]], in_tmp: Path, fuzz: Fuzzer) -> None:
    before = files_under(in_tmp)

    def check(example: tuple[tuple[list[int], Any], list[tuple[int, int, bytes]]]) -> None:
        part, changes = example
        content = "".join(json.dumps(row) + "\n" for row in replaced(results, *part)).encode()
        (in_tmp / "runs.jsonl").write_bytes(mutated(content, changes))
        tried(lambda: Results(in_tmp))
        tried(lambda: read_study(in_tmp))
        assert files_under(in_tmp) == before

    rows = st.tuples(st.lists(st.integers(0, 10_000), min_size=2, max_size=6), anything | st.just(DELETED))
    fuzz(check, st.tuples(rows, st.just([]) | edits), examples=100)


def test_reports(results: list[dict[str, Any]], in_tmp: Path, fuzz: Fuzzer) -> None:
    before = {*files_under(in_tmp), "plan.yaml", "report.html", "tables", "figures"}

    def check(example: tuple[tuple[list[int], Any], tuple[list[int], Any]]) -> None:
        row, plan = example
        write_runs(in_tmp, replaced(results, *row))
        text = yaml.safe_dump(replaced(PLAN, *plan), allow_unicode=False)
        (in_tmp / "plan.yaml").write_text(text, errors="replace")
        tried(lambda: write_report(in_tmp))
        written = ("tables/", "figures/")
        assert {name for name in files_under(in_tmp) if not name.startswith(written)} <= before

    rows = st.tuples(st.lists(st.integers(0, 10_000), min_size=2, max_size=6), anything | st.just(DELETED))
    fuzz(check, st.tuples(rows, parts), examples=12)


def test_users(results: list[dict[str, Any]], in_tmp: Path, fuzz: Fuzzer) -> None:
    path = in_tmp / results[0]["users"]
    arrays, whole = dict(np.load(path)), path.read_bytes()
    strange = [np.zeros(3), np.array("x"), np.zeros((2, 2), int), np.full(30, np.nan), np.zeros(30, complex)]
    strange += [np.array([], dtype=int), np.full(30, -1), np.full(30, 2**62), np.zeros(30, "M8[s]")]

    def check(example: tuple[int, int, list[tuple[int, int, bytes]]]) -> None:
        name, value, changes = example
        if changes:
            path.write_bytes(mutated(whole, changes))
        else:
            np.savez(path, **(arrays | {sorted(arrays)[name % len(arrays)]: strange[value]}))
        study = read_study(in_tmp)
        files = UserFiles(in_tmp)
        tried(lambda: [files.scores(run, "ndcg@10") for run in study.runs])

    odd = st.tuples(st.integers(0, 20), st.integers(0, len(strange) - 1), st.just([]) | edits)
    fuzz(check, odd, examples=60)


def test_spaces(in_tmp: Path, fuzz: Fuzzer) -> None:
    def check(changes: list[tuple[int, int, bytes]]) -> None:
        (in_tmp / "s.hyper").write_bytes(mutated(SPACE.encode(), changes))
        tried(lambda: drawn(read_space(in_tmp / "s.hyper"), 3, 0))

    fuzz(check, edits, examples=150)

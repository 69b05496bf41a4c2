"""What the runs of a report rank, said once, or run by run where it differs."""

from typing import Any

import pytest

from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.sections.provenance import protocol
from tests.benchmark.report.folder import make_run

FULL: dict[str, Any] = {"eval_args": {"mode": {"valid": "full", "test": "full"}}}


def a_run(label: str, **config: Any) -> Run:
    return make_run(label, 1, config=config)


@pytest.mark.parametrize(("rank_seen", "words"), [(True, "seen ones included"), (False, "left out, but not")])
def test_runs_with_one_rule_have_one_sentence(rank_seen: bool, words: str) -> None:
    (sentence,) = protocol([a_run(label, **FULL, rank_seen=rank_seen) for label in ("SASRec", "BPR")])
    assert sentence.startswith("Ranking: all items")
    assert words in sentence
    assert f"rank_seen: {rank_seen}" in sentence


def test_runs_with_several_rules_are_told_apart() -> None:
    runs = [
        a_run("BPR", **FULL, rank_seen=False),
        a_run("SASRec", **FULL, rank_seen=True),
        a_run("old", **FULL),
    ]
    warning, *sentences = protocol([*runs, a_run("BPR", **FULL, rank_seen=False)])
    assert "do not compare" in warning
    assert [sentence.split(":")[0] for sentence in sentences] == [
        f"Ranking of {name}" for name in ("BPR", "SASRec", "old")
    ]


def test_a_record_without_a_configuration_says_nothing() -> None:
    assert protocol([a_run("SASRec")]) == []

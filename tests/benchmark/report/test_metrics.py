"""Metrics of single rows, and which ones a report shows."""

import math

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.metrics import default_metrics, row_values, smaller_is_better, written

RANK = np.array([0, 2, 9, 10], dtype=np.int32)


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("recall@10", [1, 1, 1, 0]),
        ("hit@3", [1, 1, 0, 0]),
        ("ndcg@10", [1, 1 / 2, 1 / math.log2(11), 0]),
        ("mrr@10", [1, 1 / 3, 1 / 10, 0]),
        ("map@10", [1, 1 / 3, 1 / 10, 0]),
        ("precision@10", [0.1, 0.1, 0.1, 0]),
    ],
)
def test_values_by_hand(metric: str, values: list[float]) -> None:
    found = row_values(metric, RANK)
    assert found is not None
    assert found == pytest.approx(values)


@pytest.mark.parametrize("metric", ["gini@10", "auc", "recall@x"])
def test_what_ranks_do_not_give(metric: str) -> None:
    assert row_values(metric, RANK) is None


def test_the_papers_metrics_come_first() -> None:
    available = ["mrr@10", "recall@10", "recall@20", "recall@50", "ndcg@10", "ndcg@20", "ndcg@50"]
    assert default_metrics(available) == ["recall@10", "recall@50", "ndcg@10", "ndcg@50"]
    assert default_metrics(["recall@5", "mrr@5"]) == ["recall@5"]
    assert default_metrics(["auc", "logloss"]) == ["auc", "logloss"]
    assert default_metrics([]) == []


def test_names_and_directions() -> None:
    assert [written(metric) for metric in ("ndcg@10", "recall@50", "auc")] == ["NDCG@10", "Recall@50", "auc"]
    assert smaller_is_better("rmse")
    assert not smaller_is_better("ndcg@10")

"""Metrics of single rows, and which ones a report shows."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_mmm4rec.benchmark.report.metrics import default_metrics, row_values, smaller_is_better, written
from recbole_mmm4rec.training.collecting import RankEvaluator
from tests.tiny import make_config

RANK = np.array([0, 2, 9, 10], dtype=np.int32)
NO_TIES = np.zeros_like(RANK)


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
    found = row_values(metric, RANK, NO_TIES)
    assert found is not None
    assert found == pytest.approx(values)


@pytest.mark.parametrize("kind", ["recall", "hit", "ndcg", "mrr", "map", "precision"])
def test_the_mean_over_rows_is_the_runs_value_with_ties_too(kind: str, folder: Path) -> None:
    """What tests of users compare is what the tables show."""
    values = {"topk": [3, 10], "metrics": [kind], "valid_metric": f"{kind}@10"}
    config = make_config(folder, metric_decimal_place=17, **values)
    rng = np.random.default_rng(0)
    rank = rng.integers(0, 20, size=500)
    tied = np.where(rank < 10, rng.integers(0, 30, size=500) * rng.integers(0, 2, size=500), 0)
    result = RankEvaluator(config).of_ranks(torch.from_numpy(rank), torch.from_numpy(tied))
    for name, value in result.items():
        rows = row_values(name, rank.astype(np.int32), tied.astype(np.int32))
        assert rows is not None
        assert rows.mean() == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("metric", ["gini@10", "auc", "recall@x"])
def test_what_ranks_do_not_give(metric: str) -> None:
    assert row_values(metric, RANK, NO_TIES) is None


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

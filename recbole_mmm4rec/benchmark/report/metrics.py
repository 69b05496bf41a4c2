"""Metrics: how they are written, which direction is better, and their value for a test row from its rank."""

import numpy as np
from recbole.evaluator.register import smaller_metrics

_NAMES = {
    "recall": "Recall",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "hit": "Hit",
    "map": "MAP",
    "precision": "Precision",
}
_SHOWN_FIRST = ("recall", "ndcg")


def written(metric: str) -> str:
    """``ndcg@10`` as ``NDCG@10``."""
    kind, at, cutoff = metric.partition("@")
    return _NAMES.get(kind, kind) + at + cutoff


def smaller_is_better(metric: str) -> bool:
    """Whether a smaller value is better, as RecBole defines."""
    return metric.partition("@")[0] in smaller_metrics


def default_metrics(available: list[str]) -> list[str]:
    """Recall and NDCG at the smallest and the largest cut-off; without them, the first four."""
    chosen = []
    for kind in _SHOWN_FIRST:
        cutoffs = sorted(cutoff for cutoff in map(_cutoff, available) if f"{kind}@{cutoff}" in available)
        chosen += [f"{kind}@{cutoff}" for cutoff in dict.fromkeys([*cutoffs[:1], *cutoffs[-1:]])]
    return chosen or available[:4]


def row_values(metric: str, rank: np.ndarray, tied: np.ndarray) -> np.ndarray | None:
    """Value of a metric for each row with one target item; the mean over rows is the run's value.

    Args:
        metric: lower-case name with its cut-off.
        rank: (n,) items that score higher than the target item.
        tied: (n,) other items with its score; the value is the mean over the places they share.

    Returns:
        (n,) float64, or None if ranks do not determine the metric.
    """
    kind, cutoff = metric.partition("@")[0], _cutoff(metric)
    if not cutoff:
        return None
    places = np.arange(cutoff, dtype=np.float64)
    at_place = {
        "recall": np.ones_like(places),
        "hit": np.ones_like(places),
        "ndcg": 1 / np.log2(places + 2),
        "mrr": 1 / (places + 1),
        "map": 1 / (places + 1),
        "precision": np.full_like(places, 1 / cutoff),
    }
    return _mean_of_places(at_place[kind], rank, tied) if kind in at_place else None


def _mean_of_places(at_place: np.ndarray, rank: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Mean of (cutoff,) values, 0 beyond them, over places rank to rank + tied of each row."""
    beyond = len(at_place)
    sums = np.concatenate([[0.0], np.cumsum(at_place)])
    first, end = np.minimum(rank, beyond), np.minimum(rank.astype(np.int64) + tied + 1, beyond)
    means = (sums[end] - sums[first]) / (tied + 1.0)
    return np.where(tied > 0, means, np.append(at_place, 0.0)[first])


def _cutoff(metric: str) -> int:
    """The k of ``recall@k``; 0 for a metric without one."""
    cutoff = metric.partition("@")[2]
    return int(cutoff) if cutoff.isdigit() else 0

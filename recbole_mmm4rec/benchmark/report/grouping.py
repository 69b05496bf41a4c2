"""Test rows in groups, and the results of each: by a number that is known of a row, or by a modality."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.metrics import row_values
from recbole_mmm4rec.benchmark.report.statistics import Summary, summarise
from recbole_mmm4rec.benchmark.report.users import UserFiles, UserRows

PARTS = 5


@dataclass(frozen=True)
class Group:
    """Rows with something in common: a label, and a mask (n,) bool of a run's rows, None: not known."""

    label: str
    mask: Callable[[UserRows], np.ndarray | None]


@dataclass(frozen=True)
class GroupResult:
    """Results of a group: number of test rows (of one run), and mean and deviation over seeds by setting."""

    label: str
    rows: int
    summaries: dict[str, Summary | None]


def ranges(values: np.ndarray, parts: int = PARTS) -> list[tuple[int, int]]:
    """Whole numbers in at most ``parts`` neighbouring ranges of about equally many values.

    Args:
        values: (n,) whole numbers, at least one.

    Returns:
        First and last number of each range, both of them occurring.
    """
    numbers, counts = np.unique(values.astype(np.int64), return_counts=True)
    before = np.cumsum(counts) - counts
    places = ((before + counts / 2) * parts / counts.sum()).astype(int)
    return [(int(numbers[places == p].min()), int(numbers[places == p].max())) for p in np.unique(places)]


def number_groups(fact: str, values: np.ndarray) -> list[Group]:
    """Groups of about equal size by a row's number; rows where it is 0 are a group of their own."""
    found = [(0, 0)] if (values == 0).any() else []
    if (values > 0).any():
        found += ranges(values[values > 0])
    return [
        Group(str(low) if low == high else f"{low}–{high}", _between(fact, low, high)) for low, high in found
    ]


def _between(fact: str, low: int, high: int) -> Callable[[UserRows], np.ndarray | None]:
    def mask(rows: UserRows) -> np.ndarray | None:
        values = rows.facts.get(fact)
        return None if values is None else (values >= low) & (values <= high)

    return mask


def presence_groups(modality: str) -> list[Group]:
    """Rows whose right item has a modality, and those whose item has not."""

    def mask(rows: UserRows, wanted: bool) -> np.ndarray | None:
        return rows.present[modality] == wanted if modality in rows.present else None

    return [
        Group(f"with {modality}", lambda rows: mask(rows, True)),
        Group(f"without {modality}", lambda rows: mask(rows, False)),
    ]


def group_results(
    comparison: Comparison, users: UserFiles, dataset: str, metric: str, groups: list[Group]
) -> list[GroupResult]:
    """Results of every group that has rows."""
    results = []
    for group in groups:
        values = {
            label: _values(comparison, users, dataset, label, metric, group) for label in comparison.settings
        }
        sizes = [len(rows) for runs in values.values() for rows in runs]
        if any(sizes):
            means = {
                label: [float(rows.mean()) for rows in runs if len(rows)] for label, runs in values.items()
            }
            results.append(GroupResult(group.label, max(sizes), {k: summarise(v) for k, v in means.items()}))
    return results


def _values(
    comparison: Comparison, users: UserFiles, dataset: str, label: str, metric: str, group: Group
) -> list[np.ndarray]:
    """The metric of the group's rows, for each run of a setting."""
    found = []
    for run in comparison.of(dataset, label):
        rows = users.rows(run)
        if rows is None:
            continue
        mask, values = group.mask(rows), row_values(metric, rows.rank, rows.tied)
        if mask is not None and values is not None:
            found.append(values[mask])
    return found

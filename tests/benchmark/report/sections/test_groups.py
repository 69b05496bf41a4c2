"""Groups of test rows: where they begin and end, and what their results are."""

from pathlib import Path

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.sections.groups import (
    group_results,
    number_groups,
    presence_groups,
    ranges,
)
from recbole_mmm4rec.benchmark.report.users import UserFiles, UserRows
from tests.benchmark.report.folder import make_run


def test_ranges_hold_about_equally_many() -> None:
    assert ranges(np.arange(1, 11), parts=5) == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]
    assert ranges(np.array([3] * 90 + [4] * 5 + [50] * 5), parts=4) == [(3, 3), (4, 50)]
    assert ranges(np.array([7])) == [(7, 7)]


def test_ranges_leave_no_value_out() -> None:
    values = np.random.default_rng(0).geometric(0.05, 1000)
    found = ranges(values)
    assert sum(int(((values >= low) & (values <= high)).sum()) for low, high in found) == 1000
    assert 2 <= len(found) <= 5


def test_zero_is_a_group_of_its_own() -> None:
    labels = [group.label for group in number_groups("item_count", np.array([0, 0, 1, 2, 3, 4]))]
    assert labels == ["0", "1", "2", "3", "4"]
    assert number_groups("item_count", np.empty(0, dtype=np.int64)) == []


def test_results_of_groups_by_hand(tmp_path: Path) -> None:
    """Short histories: hits 1, 0 for seed 1 and 1, 1 for seed 2; long ones: 0 and 1."""
    runs = []
    for seed, rank in ((1, [0, 99, 99]), (2, [1, 2, 3])):
        run = make_run("A", seed, users=f"{seed}.npz")
        np.savez(tmp_path / f"{seed}.npz", user=np.arange(3), rank=rank, history_length=[2, 2, 8])
        runs.append(run)
    runs.append(make_run("B", 1))
    comparison = Comparison(runs, ["A", "B"], {"A": "", "B": ""}, ["recall@10"], "A")
    groups = number_groups("history_length", np.array([2, 2, 8]))
    found = group_results(comparison, UserFiles(tmp_path), "shop", "recall@10", groups)
    assert [(result.label, result.rows) for result in found] == [("2", 2), ("8", 1)]
    short = found[0].summaries["A"]
    assert short is not None
    assert (short.mean, short.count) == (0.75, 2)
    assert short.deviation == pytest.approx(0.5 / 2**0.5)
    assert found[0].summaries["B"] is None


def test_presence_splits_rows_and_knows_what_it_does_not_know() -> None:
    with_image, without = presence_groups("image")
    rows = UserRows(np.arange(2), np.arange(2), np.zeros(2), {}, {"image": np.array([True, False])})
    assert np.array_equal(with_image.mask(rows), [True, False])
    assert np.array_equal(without.mask(rows), [False, True])
    assert with_image.mask(UserRows(np.arange(2), np.arange(2), np.zeros(2), {}, {})) is None

"""Splits against RecBole's own loops, on plain numbers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from recbole.data.dataset import Dataset

from recbole_mmm4rec.data.splitting import hold_out_last, leave_one_out, time_split

SIZES = [[1], [2], [3], [1, 2, 3, 4], [9, 1, 1, 2]]


def users(sizes: list[int], seed: int = 0) -> np.ndarray:
    numbers = np.repeat(np.arange(len(sizes)) + 1, sizes)
    return np.random.default_rng(seed).permutation(numbers)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("held", [1, 2])
def test_leave_one_out_is_recboles(sizes: list[int], held: int) -> None:
    groups = users(sizes)
    host = SimpleNamespace()
    index = Dataset._grouped_index(host, groups)
    expected = Dataset._split_index_by_leave_one_out(host, index, held)
    mode = "valid_and_test" if held == 2 else "test_only"
    parts = leave_one_out(groups, mode)
    wanted = expected if held == 2 else [expected[0], [], expected[1]]
    assert [part.tolist() for part in parts] == wanted
    if held == 1:
        assert [part.tolist() for part in leave_one_out(groups, "valid_only")] == [*expected, []]


def test_nothing_held_out_keeps_all_rows() -> None:
    rest, second, last = hold_out_last(users([3, 1, 2]), 0)
    assert sorted(rest) == list(range(6))
    assert not len(second)
    assert not len(last)


def test_time_split_keeps_the_future_for_the_test() -> None:
    groups = np.array([1, 1, 2, 2, 1, 2])
    times = np.array([1.0, 2, 3, 4, 9, 10])
    train, valid, test = time_split(groups, times, [0.5, 0.17, 0.33])
    assert sorted([*train, *valid, *test]) == list(range(6))
    assert times[test].min() > max(times[train].max(), times[valid].max())

"""The filters against plain twins."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from recbole_mmm4rec.prepare.core import core, in_time_order, without_duplicates
from recbole_mmm4rec.prepare.interactions import Interactions

Row = tuple[int, int, float, int]


def _data(rows: list[Row]) -> Interactions:
    user, item, rating, time = (np.array(column) for column in zip(*rows, strict=True))
    tokens = pa.array([str(number) for number in range(100)])
    return Interactions(
        user.astype(np.int32),
        item.astype(np.int32),
        rating.astype(np.float32),
        time.astype(np.int64),
        tokens,
        tokens,
    )


def _rows(data: Interactions) -> list[Row]:
    return list(
        zip(data.user.tolist(), data.item.tolist(), data.rating.tolist(), data.time.tolist(), strict=True)
    )


def _plain_core(rows: list[Row], least: int) -> list[Row]:
    while True:
        users, items = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        kept = [row for row in rows if users[row[0]] >= least and items[row[1]] >= least]
        if len(kept) == len(rows):
            return kept
        rows = kept


@pytest.mark.parametrize("seed", range(8))
def test_against_plain_twins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (int(u), int(i), float(r), int(t))
        for u, i, r, t in zip(*(rng.integers(1, top, 300) for top in (40, 30, 3, 4)), strict=True)
    ]
    ordered = in_time_order(_data(rows))
    assert _rows(ordered) == sorted(rows, key=lambda row: (row[0], row[3]))
    unique = without_duplicates(ordered)
    assert _rows(unique) == list(dict.fromkeys(_rows(ordered)))  # dict keeps the first, in order
    for least in (1, 3, 5, 50):
        kept = core(unique, least)
        assert _rows(kept) == _plain_core(_rows(unique), least)


def test_repeat_purchases_stay_and_absent_ratings_are_equal() -> None:
    rows = [(1, 1, np.nan, 5), (1, 1, np.nan, 5), (1, 1, np.nan, 6), (1, 1, 3.0, 6)]
    assert len(without_duplicates(_data(rows))) == 3


def test_milliseconds_tell_apart_what_seconds_do_not() -> None:
    rows = [(1, 2, 1.0, 1001), (1, 3, 1.0, 1000)]
    assert [row[1] for row in _rows(in_time_order(_data(rows)))] == [3, 2]

"""Orders against numpy's stable sort and pandas' factorize."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recbole_mmm4rec.data.ordering import rank_by_first_appearance, stable_order

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(
    "keys",
    [
        np.array([], dtype=np.int64),
        np.array([], dtype=np.float64),
        np.array([3]),
        np.array([5, 5, 5]),
        np.array([-3.0, 2.0, -3.0]),
        np.array([0.5, 0.25, 0.5]),
        np.array([1e300, -1e300, 0.0]),
        np.array([2.0**53 + 2, 2.0**53]),
        np.array([-0.0, 0.0, -1.0]),
        np.array([2, 1], dtype=np.int32),
        DRAW.integers(50, size=5_000),
        DRAW.integers(50, size=5_000).astype(float),
        1.6e9 + DRAW.random(5_000).round(1),
        1.6e9 + DRAW.integers(2**28, size=5_000).astype(float),
    ],
)
def test_order_is_numpys(keys: np.ndarray) -> None:
    assert np.array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 7, 3_000])
def test_ranks_are_pandas_codes(rows: int, missing: bool) -> None:
    codes = DRAW.integers(-1 if missing else 0, 40, size=rows)
    ranks, by_rank = rank_by_first_appearance(codes, 45)
    values = pd.array(codes, dtype="Int64")
    values[codes < 0] = pd.NA
    expected, uniques = pd.factorize(values)
    assert np.array_equal(ranks, expected)
    assert np.array_equal(by_rank, uniques.to_numpy(dtype=np.int64))

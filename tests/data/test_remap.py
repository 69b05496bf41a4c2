"""Numbers of tokens against ``pandas.factorize`` over plain strings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recbole_mmm4rec.data.remap import is_coded, number_tokens

COLUMNS = [
    [["b", "a", "b"]],
    [["b", "a", None, "b"]],
    [["b", None], ["z", "b", "y", "z"]],
    [["007", "7", "007"], ["7", None, "07"], ["007", "1"]],
    [[None, None], ["a"]],
]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("unused", [False, True])
def test_numbers_are_recboles(columns: list[list[str | None]], unused: bool) -> None:
    plain = [pd.Series(column, dtype=object) for column in columns]
    categories = pd.unique(plain[0].dropna())[::-1].tolist() + (["dropped"] if unused else [])
    coded = [pd.Series(pd.Categorical(plain[0], categories)), *plain[1:]]
    assert is_coded(coded[0])
    numbers, tokens = number_tokens(coded)
    expected, uniques = pd.factorize(np.concatenate([column.to_numpy() for column in plain]))
    assert np.array_equal(np.concatenate(numbers), expected + 1)
    assert tokens.tolist() == ["[PAD]", *uniques]
    assert [len(part) for part in numbers] == [len(column) for column in columns]

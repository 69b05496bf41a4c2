"""The lists of many users as tables, and what is told of users whose lists are short or absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.telling import tell

Part = tuple[np.ndarray, pd.DataFrame, np.ndarray]
"""Positions (n,) of some users, their table, and how many rows each of them has (n,)."""


def as_table(tokens: np.ndarray, users: np.ndarray, values: Any, numbers: Any) -> pd.DataFrame:
    """Columns ``user``, ``rank`` (from 1), ``item`` and ``score`` (float32).

    Args:
        tokens: (N + 1,) object, ids of items.
        users: (n,) object.
        values: (n, k) scores, minus infinity where a list is shorter.
        numbers: (n, k) of items.
    """
    values, numbers = np.asarray(values, np.float32), np.asarray(numbers, np.int64)
    kept = values > -np.inf
    ranks = np.broadcast_to(np.arange(1, kept.shape[-1] + 1 if kept.size else 1), kept.shape)
    owners = np.repeat(users, kept.sum(1)) if kept.size else users[:0]
    columns = {"user": owners, "rank": ranks[kept], "item": tokens[numbers[kept]]}
    return pd.DataFrame(columns | {"score": values[kept]})


def rows_with_items(histories: Histories) -> np.ndarray:
    """Positions of the histories that have an item; the others are counted, or a lone one refused.

    Raises:
        UserError: there is one history only, and it is empty.
    """
    empty = np.flatnonzero(histories.lengths == 0)
    if len(empty) and len(histories) == 1:
        raise UserError(
            f"history of user {histories.users[0]!r}: empty, or no item in it that the model knows"
        )
    if len(empty):
        left = named(histories.users[empty])
        tell(f"histories without an item that the model knows, left out: {left}")
    return np.flatnonzero(histories.lengths > 0)


def told_lists(
    parts: Iterable[Part], histories: Histories, rows: np.ndarray, k: int
) -> Iterator[pd.DataFrame]:
    """The tables of all users; tells at the end what they lack.

    Args:
        parts: the lists, some users at a time.
        histories: of all users.
        rows: (n,) int64 positions of those who get lists.
        k: items that a list should have.

    Raises:
        UserError: there is one user only, to whom nothing can be recommended.
    """
    fewer, served = 0, np.zeros(len(histories), bool)
    for part, table, counts in parts:
        fewer += int(((counts < k) & (counts > 0)).sum())
        served[part] = counts > 0
        yield table
    none = histories.users[rows[~served[rows]]]
    if len(none) and len(histories) == 1:
        raise UserError(f"user {none[0]!r}: allow, deny and exclude_seen leave no item to recommend")
    if len(none):
        tell(f"users to whom allow, deny and exclude_seen leave no item: {named(none)}")
    if fewer:
        tell(f"fewer than {k} items left after filters for {fewer:,} of {len(rows):,} users")

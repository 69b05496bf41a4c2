"""RecBole's filter by number of interactions (k-core and intervals), on numbers instead of Counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass
class Side:
    """Users or items: the code of each interaction, and what counts are allowed.

    ``codes``: (n,) int, ``listed``: (ids,) bool, those with a row in the ``.user`` or ``.item`` file,
    ``allowed``: counts (ids,) -> bool, None for everything, ``least``: fewest interactions of a listed one.
    """

    codes: np.ndarray
    listed: np.ndarray
    allowed: Callable[[np.ndarray], np.ndarray] | None
    least: float

    def banned(self, codes: np.ndarray, was_banned: np.ndarray) -> np.ndarray:
        """Which ids (ids,) have a number of interactions outside the interval now."""
        counts = np.bincount(codes, minlength=len(self.listed))
        if self.allowed is None:
            return np.zeros(len(counts), dtype=bool)
        outside = ~self.allowed(counts) & (counts > 0)
        return outside | (self.listed & ~was_banned & (counts < self.least))


def keep_core(users: Side, items: Side) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop users and items outside their intervals until none is left to drop.

    Returns the rows that stay (n,) bool, and which users and items were dropped, each (ids,) bool.
    """
    rows = np.arange(len(users.codes))
    user_codes, item_codes = users.codes, items.codes
    gone_users, gone_items = np.zeros_like(users.listed), np.zeros_like(items.listed)
    while True:
        ban_users, ban_items = users.banned(user_codes, gone_users), items.banned(item_codes, gone_items)
        if not ban_users.any() and not ban_items.any():
            break
        gone_users |= ban_users
        gone_items |= ban_items
        stays = ~(ban_users[user_codes] | ban_items[item_codes])
        rows, user_codes, item_codes = rows[stays], user_codes[stays], item_codes[stays]
    kept = np.zeros(len(users.codes), dtype=bool)
    kept[rows] = True
    return kept, gone_users, gone_items


def codes_of(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Number the values of a token column: codes (n,) and the values they encode."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories
    codes, values = pd.factorize(column)
    return codes, pd.Index(values)

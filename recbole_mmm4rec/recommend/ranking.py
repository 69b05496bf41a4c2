"""Which items may be recommended to whom, and the best of them.

In evaluation items with one score are in no order, and a metric is its mean over all orders. A list has to
have one: here they come in the order of the catalogue. So the place of an item lies between the number of
items that score higher and that number plus the other items with its score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue, is_listed, listed_ids
from recbole_mmm4rec.recommend.category_cap import CategoryCap
from recbole_mmm4rec.recommend.histories import Histories


@dataclass
class Lists:
    """The numbers of a list of ids: one for all users, one per user, or none.

    ``shared``: (n,) int64 or None. ``own``: by position of the user; empty where there is no list.
    """

    shared: np.ndarray | None = None
    own: dict[int, np.ndarray] = field(default_factory=dict)


class Filters:
    """What is left out of the ranking.

    Args:
        catalogue: turns ids into numbers.
        users: (U,) object, for messages and lists by user.
        allow: only these may be recommended: ids for all users, a mapping user -> ids, or a list of lists of
            ids, one per user in their order, None where a user has none. None: all items.
        deny: never these; of the same forms.
        exclude_seen: leave out what is in a user's history.
        cap: limits the items of one category in a list; None: no limit.

    Attributes:
        unknown: ids that the catalogue does not have.

    Raises:
        UserError: an id that is allowed and denied, or a list for a user who is not there.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        users: np.ndarray,
        allow: Any,
        deny: Any,
        exclude_seen: bool,
        cap: CategoryCap | None = None,
    ) -> None:
        self.cap = cap
        self.exclude_seen, self.unknown = exclude_seen, Offenders()
        self._catalogue, self._users = catalogue, users
        self.allow, self.deny = self._lists("allow", allow), self._lists("deny", deny)
        self._refuse_contradictions()
        self._shared_mask: Tensor | None = None

    def _lists(self, name: str, given: Any) -> Lists:
        if given is None:
            return Lists()
        if isinstance(given, Mapping):
            return Lists(own=self._by_user(name, given))
        values = listed_ids(given, name)
        kinds = {one is None or is_listed(one) for one in values}
        if len(kinds) > 1:
            raise UserError(
                f"{name}: ids and lists of ids stand side by side; give one list per user, or None"
            )
        if True not in kinds:
            return Lists(shared=self._numbers(name, values))
        if len(values) != len(self._users):
            raise UserError(f"{name}: {len(values)} lists for {len(self._users)} histories")
        own = {row: self._numbers(name, ids) for row, ids in enumerate(values) if ids is not None}
        return Lists(own=own)

    def _by_user(self, name: str, given: Mapping[Any, Any]) -> dict[int, np.ndarray]:
        rows = {user: row for row, user in enumerate(self._users)}
        strangers = [user for user in given if user not in rows]
        if strangers:
            raise UserError(f"{name}: there is no history of user {strangers[0]!r} ({len(strangers)} in all)")
        return {rows[user]: self._numbers(name, ids) for user, ids in given.items() if ids is not None}

    def _numbers(self, name: str, given: Any) -> np.ndarray:
        ids = listed_ids(given, name)
        numbers = self._catalogue.numbers(ids)
        self.unknown.add(f'"{one}"' for one, number in zip(ids, numbers, strict=True) if number < 0)
        return np.unique(numbers[numbers > 0])

    def _refuse_contradictions(self) -> None:
        for row in {*self.allow.own, *self.deny.own, -1}:
            both = np.intersect1d(_of(self.allow, row), _of(self.deny, row))
            if len(both):
                where = f" for user {self._users[row]!r}" if row >= 0 else ""
                raise UserError(f'"{self._catalogue.tokens[both[0]]}" is in allow and in deny{where}')

    def apply(self, scores: Tensor, rows: np.ndarray, histories: Histories) -> None:
        """Put minus infinity where an item is not a candidate, in place.

        Args:
            scores: (n, N + 1).
            rows: (n,) int64 positions of the users.
            histories: theirs.
        """
        mask = self._mask(scores.shape[1]).to(scores.device)
        scores.masked_fill_(mask, -torch.inf)
        for place, row in enumerate(rows.tolist()):
            if row in self.allow.own:
                kept = torch.from_numpy(self.allow.own[row]).to(scores.device)
                values = scores[place, kept]
                scores[place] = -torch.inf
                scores[place, kept] = values
            if row in self.deny.own:
                scores[place, torch.from_numpy(self.deny.own[row]).to(scores.device)] = -torch.inf
        if self.exclude_seen:
            places, items = (torch.from_numpy(part).to(scores.device) for part in histories.pairs())
            scores[places, items] = -torch.inf
        if self.cap is not None:
            self.cap.apply(scores)

    @property
    def needs_all_scores(self) -> bool:
        """Whether the best candidates can lie anywhere: a list of what is allowed, or a limit by category."""
        return self.allow.shared is not None or bool(self.allow.own) or self.cap is not None

    def most_refused(self, rows: np.ndarray, histories: Histories) -> int:
        """The most items that denial and history refuse to one of these users (n,), without ``allow``."""
        own = max((len(self.deny.own.get(row, ())) for row in rows.tolist()), default=0)
        shared = 0 if self.deny.shared is None else len(self.deny.shared)
        return own + shared + (int(histories.lengths.max()) if self.exclude_seen else 0)

    def refused(self, numbers: np.ndarray, rows: np.ndarray, histories: Histories) -> np.ndarray:
        """Which of some items may not be recommended, without ``allow``: the twin of :meth:`apply`.

        Args:
            numbers: (n, c) int64 items of each user, 0 for none.
            rows: (n,) int64 positions of the users.
            histories: theirs.

        Returns:
            (n, c) bool.
        """
        out = self._mask(len(self._catalogue)).numpy()[numbers]
        for place, row in enumerate(rows.tolist()):
            if row in self.deny.own:
                out[place] |= np.isin(numbers[place], self.deny.own[row])
        if self.exclude_seen:
            places, items = histories.pairs()
            size = len(self._catalogue)
            out |= np.isin(numbers + np.arange(len(numbers))[:, None] * size, items + places * size)
        return out

    def _mask(self, items: int) -> Tensor:
        """(N + 1,) bool, what is never recommended."""
        if self._shared_mask is None:
            mask = torch.zeros(items, dtype=torch.bool)
            if self.allow.shared is not None:
                mask[:] = True
                mask[torch.from_numpy(self.allow.shared)] = False
            if self.deny.shared is not None:
                mask[torch.from_numpy(self.deny.shared)] = True
            mask[PAD] = True
            self._shared_mask = mask
        return self._shared_mask


def _of(lists: Lists, row: int) -> np.ndarray:
    parts = [part for part in (lists.shared, lists.own.get(row)) if part is not None]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def check_k(k: int, items: int) -> None:
    """Refuse a length that no list can have.

    Args:
        k: as given.
        items: N.

    Raises:
        UserError: not a whole number from 1 to N.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UserError(f"k: {k!r} is not a whole number from 1")
    if k > items:
        raise UserError(f"k: {k:,} exceeds the {items:,} items of the catalogue")


def best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of every row: scores (n, k), minus infinity where there are fewer, and columns (n, k) int64.

    Equal scores come in the order of columns.
    """
    wanted = min(k + 1, scores.shape[1])
    values, columns = scores.topk(wanted, dim=1)
    if wanted > k:  # more items with the last one's score lie beyond: any of them may have been taken
        tied = (values[:, k] == values[:, k - 1]) & (values[:, k] > -torch.inf)
        cut = torch.nonzero(tied).squeeze(1)
        if len(cut):
            values[cut], columns[cut] = _sorted_whole(scores[cut], wanted)
    values, columns = values[:, :k], columns[:, :k]
    by_column = columns.argsort(dim=1, stable=True)
    values, columns = values.gather(1, by_column), columns.gather(1, by_column)
    order = values.argsort(dim=1, descending=True, stable=True)
    return values.gather(1, order), columns.gather(1, order)


def _sorted_whole(scores: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    values, columns = scores.sort(dim=1, descending=True, stable=True)
    return values[:, :wanted], columns[:, :wanted]

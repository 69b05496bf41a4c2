"""Histories as users give them -> numbers of items, flat, with where each history begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.data.interaction import Interaction

from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.data.ordering import stable_order
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue, as_objects, as_tokens
from recbole_mmm4rec.recommend.moments import as_seconds

USER, ITEM, TIME = "user_id", "item_id", "timestamp"
"""Columns of a table of histories; the last one may be absent."""


@dataclass(frozen=True)
class Histories:
    """U histories of known items.

    Attributes:
        users: (U,) object, the user's own ids.
        items: (M,) int64 numbers of items, one history after the other, the oldest item first.
        start: (U + 1,) int64, where each history begins in ``items``.
        times: (M,) float64 seconds, or None.
    """

    users: np.ndarray
    items: np.ndarray
    start: np.ndarray
    times: np.ndarray | None

    @classmethod
    def lone(cls, item: int) -> Histories:
        """One history of one item, by its number, without a time."""
        return cls(np.zeros(1, object), np.full(1, item, np.int64), np.arange(2), None)

    def __len__(self) -> int:
        return len(self.users)

    @property
    def lengths(self) -> np.ndarray:
        """(U,) int64."""
        return np.diff(self.start)

    def of(self, rows: np.ndarray) -> Histories:
        """The histories of some users, (n,) int64 numbers."""
        places = _places(self.start[rows], self.lengths[rows])
        start = np.concatenate([[0], np.cumsum(self.lengths[rows])])
        times = None if self.times is None else self.times[places]
        return Histories(self.users[rows], self.items[places], start, times)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of histories and of the items in them, both (M,) int64."""
        return np.repeat(np.arange(len(self)), self.lengths), self.items

    def batch(self, layout: BatchLayout) -> Interaction:
        """The last L items of every history as a model reads them; no history may be empty."""
        lengths = np.minimum(self.lengths, layout.length)
        first = self.start[1:] - lengths
        width = int(lengths.max()) if layout.trims else layout.length
        columns = {layout.history: _padded(self.items, first, lengths, width)}
        columns[layout.history_length] = torch.from_numpy(lengths)
        if layout.time is not None:
            times = np.zeros(len(self.items)) if self.times is None else self.times
            columns[layout.time] = _padded(times, first, lengths, layout.length)
        return Interaction(columns)


@dataclass(frozen=True)
class BatchLayout:
    """Fields of a batch, L, and whether a batch is as wide as its longest history or always L.

    ``time``: None where the model reads no times.
    """

    history: str
    history_length: str
    time: str | None
    length: int
    trims: bool


def _places(start: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - lengths), lengths)


def _padded(values: np.ndarray, first: np.ndarray, lengths: np.ndarray, width: int) -> torch.Tensor:
    """(U, width): ``lengths`` values from ``first`` on, then zeros."""
    place = np.arange(width)
    valid = place < lengths[:, None]
    rows = np.where(valid, first[:, None] + place, 0)
    return torch.from_numpy(np.where(valid, values[rows], np.zeros((), values.dtype)))


def read_histories(histories: Any, times: Any, catalogue: Catalogue) -> tuple[Histories, Offenders]:
    """Histories of known items, and the items that the catalogue does not have.

    Args:
        histories: one history (ids of items, the oldest first); a list of histories; a mapping user ->
            history; or a table with the columns ``user_id``, ``item_id`` and perhaps ``timestamp``, whose
            rows are put in the order of their times (equal ones as they stand).
        times: of the same form, seconds since 1970 or dates; None: unknown.

    Raises:
        UserError: another form; times of another number than items, that are none, or that go backwards.
    """
    if isinstance(histories, pd.DataFrame):
        if times is not None:
            raise UserError(f"times: a table of histories has its times in its column {TIME}")
        events = _of_table(histories)
    else:
        events = _of_lists(*_by_user(histories, times))
    numbers, unknown = catalogue.numbers(events.ids), Offenders()
    unknown.add(f'"{name}"' for name in events.ids[numbers < 0])
    return assembled(events.users, events.owners, numbers, events.times), unknown


def assembled(
    users: np.ndarray, owners: np.ndarray, numbers: np.ndarray, times: np.ndarray | None
) -> Histories:
    """Histories from events in any order; those of one user keep their order where times do not decide.

    Args:
        users: (U,) object.
        owners: (M,) int64 positions of users.
        numbers: (M,) numbers of items; those below 1 are left out.
        times: (M,) float64 seconds, or None.
    """
    kept = np.flatnonzero(numbers > 0)
    if times is not None:
        kept = kept[stable_order(times[kept])]
    kept = kept[stable_order(owners[kept])]
    lengths = np.bincount(owners[kept], minlength=len(users)).astype(np.int64)
    start = np.concatenate([[0], np.cumsum(lengths)])
    return Histories(users, numbers[kept].astype(np.int64), start, None if times is None else times[kept])


@dataclass(frozen=True)
class _Events:
    """What users (U,) chose: ``owners`` (M,) positions of users, ``ids`` (M,), ``times`` (M,) or None."""

    users: np.ndarray
    owners: np.ndarray
    ids: np.ndarray
    times: np.ndarray | None


def _by_user(histories: Any, times: Any) -> tuple[list[Any], list[Any], Any]:
    """Users, their lists of ids, and their lists of times or None."""
    if isinstance(histories, str | bytes) or not isinstance(histories, Mapping | Sequence | np.ndarray):
        raise UserError(f"histories: lists of item ids are needed, not {type(histories).__name__}")
    if is_single(histories):
        return [0], [histories], None if times is None else [times]
    if isinstance(histories, Mapping):
        if times is not None and not isinstance(times, Mapping):
            raise UserError("times: histories by user need times by user")
        moments = None if times is None else [times.get(user) for user in histories]
        return list(histories), list(histories.values()), moments
    return list(range(len(histories))), list(histories), times


def is_single(histories: Any) -> bool:
    """Whether this is the history of one user: a list of ids and not of lists, or an empty one."""
    if isinstance(histories, Mapping | pd.DataFrame):
        return False
    return not len(histories) or not isinstance(histories[0], list | tuple | np.ndarray | pd.Series)


def _of_lists(users: list[Any], lists: list[Any], times: Any) -> _Events:
    for user, history in zip(users, lists, strict=True):
        if not _is_list(history):
            raise UserError(f"history of user {user!r}: a list of item ids is needed, not {history!r}")
    lengths = np.array([len(history) for history in lists], dtype=np.int64)
    ids = as_tokens(list(chain.from_iterable(lists)))
    moments = None if times is None else _flat_times(users, lengths, times)
    return _Events(as_objects(users), np.repeat(np.arange(len(users)), lengths), ids, moments)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray | pd.Series) and not isinstance(value, str | bytes)


def _flat_times(users: list[Any], lengths: np.ndarray, times: Any) -> np.ndarray:
    for given in (times, *(times if _is_list(times) else ())):
        if given is not None and not _is_list(given):
            raise UserError(f"times: lists of times are needed, one for each history, not {given!r}"[:200])
    if len(times) != len(users):
        raise UserError(f"times: of {len(times)} histories, but there are {len(users)}")
    parts = []
    for user, length, part in zip(users, lengths, times, strict=True):
        count = -1 if part is None else len(part)
        if count != length:
            given = "no" if part is None else str(count)
            raise UserError(f"history of user {user!r}: {length} items, but {given} times")
        parts.append(list(part))
    try:
        seconds = as_seconds(list(chain.from_iterable(parts)))
    except UserError as error:
        raise UserError(f"times: {error}") from None
    _refuse_backwards(as_objects(users), lengths, seconds)
    return seconds


def _refuse_backwards(users: np.ndarray, lengths: np.ndarray, seconds: np.ndarray) -> None:
    owners = np.repeat(np.arange(len(users)), lengths)
    back = np.flatnonzero((np.diff(seconds) < 0) & (np.diff(owners) == 0))
    if len(back):
        user = users[owners[back[0]]]
        raise UserError(f"history of user {user!r}: times go backwards; the oldest item comes first")


def _of_table(table: pd.DataFrame) -> _Events:
    names = list(map(str, table.columns))
    for column in (USER, ITEM):
        if column not in table:
            raise UserError(f"histories: the table has no column {column}; it has {', '.join(names)}")
    twice = [name for name in (USER, ITEM, TIME) if names.count(name) > 1]
    if twice:
        raise UserError(f"histories: the table has the column {twice[0]} twice; leave one of them")
    codes, users = pd.factorize(table[USER], use_na_sentinel=True)
    if (codes < 0).any():
        raise UserError(f"histories: row {int(np.argmax(codes < 0)) + 1} of the table has no {USER}")
    seconds = as_seconds(table[TIME]) if TIME in table else None
    return _Events(as_objects(users), codes, as_tokens(table[ITEM].to_numpy()), seconds)

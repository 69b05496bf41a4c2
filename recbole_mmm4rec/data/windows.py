"""Histories as windows over one flat, sorted table of interactions, cut when a batch asks for them.

RecBole's augmentation stores every prefix of every user as a separate row, N x L numbers for each field.
Here a sample is two numbers, the row of its target and the length of its history, and the history is
``flat[target - length : target]``. :class:`Windows` takes the place of ``dataset.inter_feat``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mmm4rec.data.lazy import LazyHistories
from recbole_mmm4rec.data.ordering import stable_order


@dataclass(frozen=True)
class Layout:
    """Names of the columns of a batch, and which of the two kinds of batch is wanted.

    ``trims`` selects the batches of this package's models: histories as wide as the longest of the batch,
    exact times of the history, nothing of the target but its item. Otherwise batches hold what RecBole's own
    augmentation would hold.
    """

    user: str
    item: str
    length: str
    list_suffix: str
    max_length: int
    time: str | None
    has_time: bool
    trims: bool


class FlatInteractions:
    """Every interaction once, sorted by (user, time, file order), with one row of zeros at the end.

    ``columns``: field -> Tensor (M + 1, ...). ``clock``: Tensor (M + 1,), float64 seconds, or int64 positions
    in the file where the dataset has no times. The last row is what an empty place of a history reads.
    """

    def __init__(self, columns: Mapping[str, Tensor], clock: np.ndarray, user_field: str) -> None:
        by_time = stable_order(clock)
        order = by_time[stable_order(columns[user_field].numpy()[by_time])]
        index = torch.from_numpy(order)
        self.columns = {name: _sorted_with_pad(column, index) for name, column in columns.items()}
        self.clock = _sorted_with_pad(torch.from_numpy(clock), index)
        self.users = self.columns[user_field]

    def __len__(self) -> int:
        return len(self.clock) - 1

    def prefixes(self, max_length: int) -> tuple[np.ndarray, np.ndarray]:
        """Every prefix with a target: (target row, history length), both int32 (samples,).

        A user with n interactions gives n - 1 samples; a history keeps its last ``max_length`` items.
        """
        first = self.first_rows()
        rows = np.arange(len(first), dtype=np.int32)
        target = np.flatnonzero(rows > first).astype(np.int32)
        return target, np.minimum(target - first[target], max_length).astype(np.int32)

    def first_rows(self) -> np.ndarray:
        """Row of the first interaction of every row's user: (M,) int32."""
        users = self.users.numpy()[:-1]
        opens = np.ones(len(users), dtype=bool)
        opens[1:] = users[1:] != users[:-1]
        return np.maximum.accumulate(np.where(opens, np.arange(len(users), dtype=np.int32), 0))


def _sorted_with_pad(column: Tensor, order: Tensor) -> Tensor:
    """Rows of ``column`` (M, ...) in ``order``, then one row of zeros: (M + 1, ...)."""
    result = torch.zeros((len(column) + 1, *column.shape[1:]), dtype=column.dtype)
    torch.index_select(column, 0, order, out=result[:-1])
    return result


class Windows(Interaction):
    """Samples (target row, history length) over shared :class:`FlatInteractions`, read-only.

    ``windows[index]`` is a smaller ``Windows`` (nothing is cut), ``windows[field]`` a column, and
    :meth:`cut` the RecBole ``Interaction`` of all samples in it.
    """

    def __init__(
        self, flat: FlatInteractions, layout: Layout, target: np.ndarray, length: np.ndarray
    ) -> None:
        self.flat = flat
        self.layout = layout
        self.target = target
        self.history = length
        self.dropped: frozenset[str] = frozenset()

    @classmethod
    def of_all_prefixes(cls, flat: FlatInteractions, layout: Layout) -> Windows:
        """One window for every interaction that has a predecessor, in the order (user, time)."""
        return cls(flat, layout, *flat.prefixes(layout.max_length))

    @property
    def length(self) -> int:
        """Number of samples."""
        return len(self.target)

    @property
    def interaction(self) -> Mapping[str, Tensor]:
        """Column name -> tensor, each cut when it is read."""
        return _Columns(self)

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in RecBole's order."""
        own = self.layout
        if own.trims:
            names = [own.user, own.item, own.length, own.item + own.list_suffix]
            names += [own.time + own.list_suffix] if own.time and own.has_time else []
        else:
            lists = [name + own.list_suffix for name in self.flat.columns if name != own.user]
            names = [*self.flat.columns, own.length, *lists]
        return [name for name in names if name not in self.dropped]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return LazyHistories(self, index) if self._is_history(index) else self.interaction[index]
        chosen = _as_index(index)
        part = Windows(self.flat, self.layout, self.target[chosen], self.history[chosen])
        part.dropped = self.dropped
        return part

    def __deepcopy__(self, memo: dict[int, Any]) -> Windows:
        return self[:]

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Items and users, (M,) int64 each, of the interactions that any sample shows, as they are sorted."""
        shown = np.zeros(len(self.flat) + 1, dtype=np.int64)
        np.add.at(shown, self.target - self.history, 1)
        np.add.at(shown, self.target + 1, -1)
        rows = torch.from_numpy(np.flatnonzero(shown.cumsum() > 0))
        columns = self.flat.columns
        return columns[self.layout.item][rows].numpy(), columns[self.layout.user][rows].numpy()

    def cut(self) -> Interaction:
        """Return the samples as a RecBole batch; see :class:`Layout` for what is in it."""
        return Interaction(dict(self.interaction))

    def drop(self, column: str) -> None:
        """Leave ``column`` out from now on, as RecBole's ``unused_col`` asks."""
        if column not in self.columns:
            raise ValueError(f"Column [{column}] is not in [{self.columns}].")
        self.dropped = self.dropped | {column}

    def __delitem__(self, column: str) -> None:
        self.drop(column)

    def _reindex(self, index: Any) -> None:
        chosen = _as_index(index)
        self.target, self.history = self.target[chosen], self.history[chosen]

    def sort(self, by: Any, ascending: Any = True) -> None:
        """Sort stably by one or several columns of the targets; times compare in float64."""
        fields = list(by) if isinstance(by, (list, tuple)) else [by]
        directions = list(ascending) if isinstance(ascending, (list, tuple)) else [ascending] * len(fields)
        if len(directions) != len(fields):
            raise ValueError(f"by [{by}] and ascending [{ascending}] should have same length.")
        for field, rises in zip(reversed(fields), reversed(directions), strict=True):
            order = stable_order(self.keys_of(field))
            self._reindex(order if rises else order[::-1])

    def keys_of(self, field: str | None) -> np.ndarray:
        """Values to sort by, (samples,): the exact clock for the time field, else the target's column."""
        if field == self.layout.time:
            return self.flat.clock.numpy()[self.target]
        column = self.interaction[str(field)]
        return (column if column.dim() == 1 else column[..., 0]).numpy()

    def _is_history(self, name: str) -> bool:
        return name in self.columns and name.endswith(self.layout.list_suffix)


class _Columns(Mapping[str, Tensor]):
    """The columns of some windows; rows to gather are found once for all history columns."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._rows: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._windows.columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self._windows.columns)

    def __getitem__(self, name: str) -> Tensor:
        windows, layout = self._windows, self._windows.layout
        if name not in windows.columns:
            raise KeyError(name)
        if name == layout.length:
            return torch.from_numpy(windows.history.astype(np.int64))
        if name in windows.flat.columns:
            return windows.flat.columns[name][torch.from_numpy(windows.target.astype(np.int64))]
        return self._history_of(name.removesuffix(layout.list_suffix))

    def _history_of(self, field: str) -> Tensor:
        layout, flat = self._windows.layout, self._windows.flat
        exact_time = layout.trims and field == layout.time
        source = flat.clock if exact_time else flat.columns[field]
        rows = self._rows_of(self._longest() if layout.trims and not exact_time else layout.max_length)
        return source.index_select(0, rows.view(-1)).view(*rows.shape, *source.shape[1:])

    def _longest(self) -> int:
        return int(self._windows.history.max(initial=1))

    def _rows_of(self, width: int) -> Tensor:
        """Flat rows of every place, (samples, width) int64; empty places read the row of zeros."""
        if width not in self._rows:
            length = self._windows.history[:, None].astype(np.int64)
            place = np.arange(width, dtype=np.int64)
            rows = self._windows.target[:, None] - length + place
            self._rows[width] = torch.from_numpy(np.where(place < length, rows, len(self._windows.flat)))
        return self._rows[width]


def _as_index(index: Any) -> Any:
    """Any index RecBole uses (list, range, array, tensor, mask, slice, int) as a numpy index of rows."""
    if isinstance(index, slice):
        return index
    if isinstance(index, range):
        return slice(index.start, index.stop, index.step)
    array = index.numpy() if isinstance(index, Tensor) else np.asarray(index)
    return np.atleast_1d(array if array.size else array.astype(np.int64))

"""Duplicates and core over rows that come in chunks, ordered by user and time."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from recbole_mmm4rec.prepare.core import repeats
from recbole_mmm4rec.prepare.interactions import COLUMNS, Columns


def without_repeats(chunks: Iterable[Columns]) -> Iterator[Columns]:
    """Yield the rows without exact repeats, which may lie in different chunks; the first stays."""
    held: Columns | None = None
    for chunk in chunks:
        rows = chunk if held is None else _joined(held, chunk)
        if len(rows):
            # more rows of the last user and time may follow
            last = np.count_nonzero((rows.user == rows.user[-1]) & (rows.time == rows.time[-1]))
            yield _unique(rows.take(slice(None, len(rows) - last)))
            held = rows.take(slice(len(rows) - last, None))
    if held is not None:
        yield _unique(held)


def _joined(*parts: Columns) -> Columns:
    return Columns(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))


def _unique(rows: Columns) -> Columns:
    return rows.take(~repeats(rows.user, rows.item, rows.rating, rows.time))


def core_counts(
    read: Callable[[], Iterable[list[np.ndarray]]], users: np.ndarray, items: np.ndarray, least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of each user and of each item in the core, 0 for those outside it.

    ``read`` goes through users and items of all rows once; ``users``, ``items``: their counts there. A row
    is in the core where its user and its item are. Memory: two counts for each user and item.
    """
    while True:
        last = int(users.sum())
        users, items = _counts(read(), users, items, least)
        if int(users.sum()) == last:
            return users, items


def _counts(
    chunks: Iterable[list[np.ndarray]], users: np.ndarray, items: np.ndarray, least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the rows whose user and item have ``least`` rows each."""
    stays, kept = (users >= least, items >= least), (np.zeros_like(users), np.zeros_like(items))
    for user, item in chunks:
        rows = stays[0][user] & stays[1][item]
        for counts, codes in zip(kept, (user[rows], item[rows]), strict=True):
            add_counts(counts, codes)
    return kept


def add_counts(counts: np.ndarray, codes: np.ndarray) -> None:
    """Add to ``counts`` how often each of ``codes`` occurs."""
    if len(codes):
        first = int(codes.min())
        found = np.bincount(codes - first)
        counts[first : first + len(found)] += found

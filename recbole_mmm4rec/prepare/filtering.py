"""The paper's filters over interactions, in their order, and what is told of each; in memory or on disk."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.core import core, in_time_order, whole_days, without_duplicates
from recbole_mmm4rec.prepare.interactions import Columns, Interactions, numbered, usable
from recbole_mmm4rec.prepare.raw_files import no_rows
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources import Source
from recbole_mmm4rec.prepare.tally import RowCount, Tally
from recbole_mmm4rec.prepare.time_advice import unit_advice
from recbole_mmm4rec.prepare.wording import counted
from recbole_mmm4rec.times import SECONDS, YEAR, day

SHORTEST = 3
"""One interaction each to train, validate and test."""


class Kept(Protocol):
    """The interactions that are left, by user and time. Users and items are numbered as they first appear."""

    def __len__(self) -> int: ...

    @property
    def user_counts(self) -> np.ndarray:
        """Rows of each user: integers (users,), 0 for those that were dropped."""
        ...

    @property
    def item_counts(self) -> np.ndarray:
        """Rows of each item: integers (items,), 0 for those that were dropped."""
        ...

    def user_tokens(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of users."""
        ...

    def item_tokens(self, codes: np.ndarray) -> pa.Array:
        """Return the tokens of items."""
        ...

    def chunks(self) -> Iterator[Columns]:
        """Yield the rows in their order, some at a time."""
        ...


class Extent(NamedTuple):
    """``rows``: how many there are; ``latest``: the latest time, in milliseconds, 0 without times.

    ``early``: how many times are in 1970; ``days``: whether every time is a whole day.
    """

    rows: int = 0
    latest: int = 0
    early: int = 0
    days: bool = True

    def joined(self, time: np.ndarray) -> "Extent":
        """The extent of these rows and more, by their times: int64 (n,)."""
        return Extent(
            self.rows + len(time),
            max(self.latest, int(time.max(initial=0))),
            self.early + int(np.count_nonzero(time < 1000 * YEAR)),
            self.days and whole_days(time),
        )


class Filters(Protocol):
    """The steps, each called once, in this order."""

    def gather(self, batches: Iterable[pa.RecordBatch]) -> Extent:
        """Take the rows (``COLUMNS``) in file order, number their tokens and order them by user and time."""
        ...

    def drop_duplicates(self, keep: bool) -> int:
        """Drop exact duplicates, unless ``keep``; return how many rows are left."""
        ...

    def core(self, least: int) -> Kept:
        """Keep users and items with ``least`` interactions each, repeated until stable."""
        ...


class InMemory:
    """The steps over arrays in memory."""

    _data: Interactions

    def gather(self, batches: Iterable[pa.RecordBatch]) -> Extent:
        """See :class:`Filters`."""
        self._data = in_time_order(numbered(batches))
        return Extent().joined(self._data.time)

    def drop_duplicates(self, keep: bool) -> int:
        """See :class:`Filters`."""
        if not keep:
            self._data = without_duplicates(self._data)
        return len(self._data)

    def core(self, least: int) -> Interactions:
        """See :class:`Filters`."""
        return core(self._data, least)


def filtered(
    source: Source, known: pa.Array | None, filters: Filters, settings: Settings, where: str, tally: Tally
) -> Kept:
    """Apply the steps of ``filters`` to ``source`` and count what they drop.

    ``known``: items with metadata, None for all. Raises ``UserError`` where nothing is left.
    """
    rows, least = tally.rows("interactions"), settings.min_interactions
    extent = filters.gather(usable(source, known, rows, where))
    if not extent.rows:
        if not rows.read:
            raise no_rows(source.interaction_files, "interactions")
        raise UserError(f"{where}: no interaction is left of {counted(rows.read, 'row')}: {tally.reasons()}")
    _check_unit(extent, source, where, rows)
    unique = filters.drop_duplicates(settings.keep_duplicates)
    rows.skip(_duplicates(source, extent), where, extent.rows - unique)
    kept = filters.core(least)
    # items without metadata have no row of their own that could be skipped
    _tell_core(kept, unique, least, where, rows, rows.note if known is None else tally.rows("items").skip)
    if not len(kept):
        raise UserError(
            f"{where}: no user and item with {least} interactions each is left (--min_interactions); "
            f"of {counted(rows.read, 'row')}: {tally.reasons()}"
        )
    rows.keep(len(kept))
    _tell_short(kept, where, rows)
    return kept


def _check_unit(extent: Extent, source: Source, where: str, rows: RowCount) -> None:
    """Report times in 1970: all (too small a unit, or a column of positions) or some beside later ones."""
    latest, unit = extent.latest / 1000, source.time_unit
    if not source.has_time or not extent.early:
        return
    if extent.early == extent.rows:
        advice = "" if unit == "date" else unit_advice(f"{latest / SECONDS[unit]:.0f}", unit)
        reason = f"all times are in 1970: is the time unit right?{advice}"
        rows.note(reason, f"{where}, until {day(latest)}", extent.rows)
    else:
        reason = "times in 1970, and later ones: are these unknown, or of a smaller unit? They come first"
        rows.note(reason, f"{where}, until {day(latest)}", extent.early)


def _duplicates(source: Source, extent: Extent) -> str:
    """Say what the duplicates are; without a clock they may be purchases, which the user may want to keep."""
    if source.has_time and not extent.days:
        return "interactions dropped: exact duplicate"
    what = "same user, item and rating" if source.has_rating else "same user and item"
    when = "on one day, and the times have no clock" if source.has_time else "and no times"
    return f"interactions dropped: {what} {when} (--keep_duplicates=True keeps them)"


def _tell_core(
    kept: Kept,
    before: int,
    least: int,
    where: str,
    rows: RowCount,
    tell_items: Callable[[str, str, int], None],
) -> None:
    """``before``: rows, each user and item having some; ``tell_items``: takes reason, place and count."""
    reason = f"with fewer than {least} interactions (repeated until stable)"
    for name, counts, tokens, tell in (
        ("users", kept.user_counts, kept.user_tokens, rows.note),
        ("items", kept.item_counts, kept.item_tokens, tell_items),
    ):
        gone = np.flatnonzero(counts == 0)
        if len(gone):
            first = tokens(gone[:1])[0].as_py()
            tell(f"{name} dropped: {reason}", f"{where}, {name[:-1]} {first!r}", len(gone))
    rows.skip(f"interactions dropped: of users or items {reason}", where, before - len(kept))


def _tell_short(kept: Kept, where: str, rows: RowCount) -> None:
    """Tell of users too short to be split, above all where every user is: a run would test nothing."""
    counts = kept.user_counts
    short = np.flatnonzero((counts > 0) & (counts < SHORTEST))
    if len(short):
        extent = "every user has" if len(short) == np.count_nonzero(counts) else "users with"
        first = kept.user_tokens(short[:1])[0].as_py()
        reason = f"{extent} fewer than {SHORTEST} interactions: too few to train, validate and test"
        rows.note(reason, f"{where}, user {first!r}", len(short))

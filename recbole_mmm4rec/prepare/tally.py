"""What was read, kept and skipped, how often and where first: nothing is dropped in silence."""

import logging
from collections import Counter

from recbole_mmm4rec.prepare.wording import counted

LOGGER = logging.getLogger(__name__)


class Tally:
    """Counts of skipped or repaired things, each with its first occurrence, and the rows of each table."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.tables: dict[str, RowCount] = {}

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Count ``reason``; ``where`` names the file and the line or item, and is kept the first time."""
        if count > 0:
            self.counts[reason] += count
            self.first.setdefault(reason, where)

    def rows(self, table: str) -> "RowCount":
        """Return the count of the rows of ``table`` (interactions or items), begun when first asked for."""
        return self.tables.setdefault(table, RowCount(table, self))

    def log(self) -> None:
        """Write one warning per reason."""
        for reason, count in self.counts.most_common():
            LOGGER.warning("%s: %s (first: %s)", reason, f"{count:,}", self.first[reason])

    def reasons(self) -> str:
        """Return what was counted as one line, each reason with its first occurrence."""
        return "; ".join(
            f"{reason} ({count:,}, first: {self.first[reason]})" for reason, count in self.counts.items()
        )

    def as_dict(self) -> dict[str, dict[str, int | str]]:
        """JSON form: reason -> count and first occurrence."""
        return {reason: {"count": n, "first": self.first[reason]} for reason, n in self.counts.items()}


class RowCount:
    """The rows of one raw table; ``read`` is counted where files are read, apart from their fate."""

    def __init__(self, table: str, tally: Tally) -> None:
        self.table, self._tally = table, tally
        self.read = self.kept = self.skipped = 0

    def met(self, count: int = 1) -> None:
        """Count rows that the files have."""
        self.read += count

    def skip(self, reason: str, where: str, count: int = 1) -> None:
        """Count rows that go no further, and why."""
        self.skipped += count
        self._tally.add(reason, where, count)

    def note(self, reason: str, where: str, count: int = 1) -> None:
        """Tell of something repaired or odd that loses no row."""
        self._tally.add(reason, where, count)

    def reasons(self) -> str:
        """Return everything noted so far, of this table and the others, as one line."""
        return self._tally.reasons()

    def keep(self, count: int) -> None:
        """Set the number of rows that are left at the end, and check that every row is accounted for.

        Raises ``RuntimeError`` where rows were lost without a count: a fault of this package.
        """
        self.kept = count
        if self.read != self.kept + self.skipped:
            raise RuntimeError(f"rows were lost without a word: {self.line()}")

    def line(self) -> str:
        """One line: rows read = kept + skipped."""
        return (
            f"{self.table}: {counted(self.read, 'row')} read = {self.kept:,} kept + {self.skipped:,} skipped"
        )

    def as_dict(self) -> dict[str, int]:
        """JSON form."""
        return {"read": self.read, "kept": self.kept, "skipped": self.skipped}

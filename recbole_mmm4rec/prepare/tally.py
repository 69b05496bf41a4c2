"""What was skipped, how often and where first: nothing is dropped in silence."""

import logging
from collections import Counter

LOGGER = logging.getLogger(__name__)


class Tally:
    """Counts of skipped or repaired things, each with its first occurrence."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Count ``reason``; ``where`` names the file and the line or item, and is kept the first time."""
        if count > 0:
            self.counts[reason] += count
            self.first.setdefault(reason, where)

    def log(self) -> None:
        """Write one warning per reason."""
        for reason, count in self.counts.most_common():
            LOGGER.warning("%s: %s (first: %s)", reason, f"{count:,}", self.first[reason])

    def as_dict(self) -> dict[str, dict[str, int | str]]:
        """JSON form: reason -> count and first occurrence."""
        return {reason: {"count": n, "first": self.first[reason]} for reason, n in self.counts.items()}

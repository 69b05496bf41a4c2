"""How an error line names what is wrong: the first three and how many there are."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 3


class Offenders:
    """Collects offenders and keeps only the first three and their number."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.count = 0

    def add(self, names: Iterable[object]) -> None:
        """Add offenders in the order they are met."""
        for name in names:
            if len(self.first) < SHOWN:
                self.first.append(str(name))
            self.count += 1

    def __bool__(self) -> bool:
        return self.count > 0

    def __str__(self) -> str:
        more = f" ({self.count:,} in all)" if self.count > len(self.first) else ""
        return ", ".join(self.first) + more


def named(names: Iterable[object]) -> Offenders:
    """Return ``names`` as offenders, each in quotation marks."""
    result = Offenders()
    result.add(f'"{name}"' for name in names)
    return result

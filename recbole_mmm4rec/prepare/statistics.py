"""A dataset's figures as Table I of the paper prints them."""

from dataclasses import asdict, dataclass

from recbole_mmm4rec.prepare.wording import counted


@dataclass(frozen=True)
class Statistics:
    """One row of Table I."""

    users: int
    items: int
    pictures: int
    interactions: int

    @property
    def coverage(self) -> float:
        """Share of the items that have a picture, in per cent."""
        return 100 * self.pictures / max(self.items, 1)

    @property
    def mean_length(self) -> float:
        """Interactions per user."""
        return self.interactions / max(self.users, 1)

    def row(self, name: str) -> str:
        """One line: users, items, pictures and coverage, interactions, mean length."""
        return (
            f"{name}: {counted(self.users, 'user')}, {counted(self.items, 'item')}, "
            f"{counted(self.pictures, 'picture')} ({self.coverage:.2f} %), "
            f"{counted(self.interactions, 'interaction')}, mean length {self.mean_length:.2f}"
        )

    def as_dict(self) -> dict[str, float]:
        """JSON form."""
        return asdict(self) | {"coverage": round(self.coverage, 2), "mean_length": round(self.mean_length, 2)}

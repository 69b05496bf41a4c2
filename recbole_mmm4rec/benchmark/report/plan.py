"""What a report shows, all of it optional."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReportChoices:
    """Choices of the user; what is None or empty follows from the runs.

    Attributes:
        ours: label of the setting that is compared with the others.
        baselines: labels by group (a table's upper heading, such as "T+ID"); without groups they share "".
        metrics: lower-case names, in the order of the tables.
        sections: names of sections, in the order of the page.
    """

    ours: str | None = None
    baselines: dict[str, list[str]] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """Every setting that is named."""
        return [*filter(None, [self.ours]), *(name for group in self.baselines.values() for name in group)]


@dataclass(frozen=True)
class ReportPlan(ReportChoices):
    """The user's choices, and which runs they are about.

    Attributes:
        origin: what messages call the plan.
        title: heading of the page.
        settings: labels in the order of the tables; runs under other labels are left out.
        keys: the runs that belong to the report; others in the folder are left out.
    """

    origin: str = "report"
    title: str = "Benchmark"
    settings: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()

"""What a benchmark's file or its folder's ``plan.yaml`` says under ``report``."""

from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

from recbole_mmm4rec.benchmark.yaml_values import list_of, mapping, refuse_unknown, text
from recbole_mmm4rec.errors import UserError


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


def report_choices(origin: str, value: Any) -> ReportChoices:
    """Read and check them.

    Args:
        origin: the file, for messages.
        value: what stands under ``report``.

    Raises:
        UserError: an unknown key or section, or a value of the wrong kind.
    """
    report, place = mapping(origin, "report", value), f"{origin}: report"
    refuse_unknown(place, report, [part.name for part in fields(ReportChoices)])
    return ReportChoices(
        ours=text(place, "ours", report.get("ours")),
        baselines=_groups(place, report.get("baselines")),
        metrics=tuple(name.lower() for name in list_of(place, "metrics", report.get("metrics"), str)),
        sections=_sections(place, list_of(place, "sections", report.get("sections"), str)),
    )


def _groups(origin: str, value: Any) -> dict[str, list[str]]:
    groups = value if isinstance(value, dict) else {"": value}
    lists = {str(group): list_of(origin, "baselines", names, str) for group, names in groups.items()}
    return {group: names for group, names in lists.items() if names}


def _sections(origin: str, names: list[str]) -> tuple[str, ...]:
    if names:
        known = import_module("recbole_mmm4rec.benchmark.report.sections").SECTIONS  # late: it draws
        for name in names:
            if name not in known:
                raise UserError(f"{origin}: no section '{name}'; there are {', '.join(known)}")
    return tuple(names)

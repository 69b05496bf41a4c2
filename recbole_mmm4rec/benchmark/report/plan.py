"""What a report shows: ``report`` of a benchmark's file, and ``plan.yaml`` of a benchmark's folder."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from recbole_mmm4rec.benchmark.report.section import section_names
from recbole_mmm4rec.host.property_files import read_properties
from recbole_mmm4rec.schema import Names, Strict, Values, checked

PLAN_FILE = "plan.yaml"


def _in_groups(value: Any) -> Any:
    """A plain list of labels is one group without a heading."""
    if not isinstance(value, dict):
        return {} if value is None else {"": value}
    return {str(group): labels for group, labels in value.items()}


def _not_empty(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    return {group: labels for group, labels in groups.items() if labels}


def _in_lower_case(names: list[str]) -> list[str]:
    return [name.lower() for name in names]


def _existing(names: list[str]) -> list[str]:
    """Names of sections, none of them unknown."""
    if names:
        known = section_names()
        for name in names:
            if name not in known:
                raise ValueError(f"no section '{name}'; there are {', '.join(known)}")
    return names


Groups = Annotated[dict[str, Names], BeforeValidator(_in_groups), AfterValidator(_not_empty)]


class ReportChoices(Strict):
    """The user's choices; what is None or empty is derived from the runs.

    Attributes:
        ours: label of the setting that is compared with the others.
        baselines: labels by group (an upper heading of the table, such as "T+ID"); without groups they share
            the group "".
        metrics: lower-case names, in the order of the tables.
        sections: names of sections, in the order of the page.
    """

    ours: str | None = None
    baselines: Groups = Field(default_factory=dict)
    metrics: Annotated[Names, AfterValidator(_in_lower_case)] = []
    sections: Annotated[Names, AfterValidator(_existing)] = []

    @property
    def labels(self) -> list[str]:
        """Every setting that is named."""
        return [*filter(None, [self.ours]), *(name for group in self.baselines.values() for name in group)]


class ReportPlan(ReportChoices):
    """The user's choices, and the runs that they apply to.

    Attributes:
        origin: what error messages call the plan.
        title: heading of the page.
        settings: labels in the order of the tables; runs under other labels are left out.
        keys: the runs that belong to the report; other runs in the folder are left out.
    """

    origin: str = "report"
    title: str = "Benchmark"
    settings: Names = []
    keys: frozenset[str] = frozenset()


class _PlanFile(BaseModel):
    """The keys of ``plan.yaml`` that the report reads."""

    model_config = ConfigDict(strict=True)

    title: str | None = None
    settings: Names = []
    keys: Names = []
    report: Values = Field(default_factory=dict)


def read_plan(folder: Path) -> ReportPlan:
    """The plan of a benchmark's folder; the default plan if there is none.

    Raises:
        UserError: the file is not readable as YAML, or a value has the wrong type.
    """
    path = folder / PLAN_FILE
    found = checked(_PlanFile, str(path), read_properties(path))
    return ReportPlan(
        **dict(report_choices(str(path), found.report)),
        origin=f"{path}: report",
        title=found.title or ReportPlan.model_fields["title"].default,
        settings=found.settings,
        keys=frozenset(found.keys),
    )


def report_choices(origin: str, value: Any) -> ReportChoices:
    """Check what a benchmark's file has under ``report``.

    Args:
        origin: the file, for error messages.
        value: keys and values, or None.

    Raises:
        UserError: an unknown key or section, or a value of the wrong type.
    """
    return checked(ReportChoices, f"{origin}: report", {} if value is None else value)

"""What a report shows: ``plan.yaml``, all of it optional."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recbole_mmm4rec.benchmark.report_choices import ReportChoices, report_choices
from recbole_mmm4rec.benchmark.yaml_values import list_of, mapping, text
from recbole_mmm4rec.errors import UserError

PLAN_FILE = "plan.yaml"


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


def read_plan(folder: Path) -> ReportPlan:
    """The plan of a benchmark's folder; the default one where there is none.

    Raises:
        UserError: no YAML, or a value of the wrong kind.
    """
    path = folder / PLAN_FILE
    if not path.is_file():
        return ReportPlan()
    try:
        plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    return _plan(str(path), plan)


def _plan(origin: str, content: Any) -> ReportPlan:
    plan = mapping(origin, "file", content)
    return ReportPlan(
        **vars(report_choices(origin, plan.get("report"))),
        origin=f"{origin}: report",
        title=text(origin, "title", plan.get("title")) or ReportPlan.title,
        settings=tuple(list_of(origin, "settings", plan.get("settings"), str)),
        keys=frozenset(list_of(origin, "keys", plan.get("keys"), str)),
    )

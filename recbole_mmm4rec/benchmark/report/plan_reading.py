"""Read what a report shows: ``report`` of a benchmark's file, and ``plan.yaml`` of a benchmark's folder."""

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from recbole_mmm4rec.benchmark.report.plan import ReportChoices, ReportPlan
from recbole_mmm4rec.benchmark.yaml_values import list_of, mapping, refuse_unknown, text
from recbole_mmm4rec.errors import UserError

PLAN_FILE = "plan.yaml"


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


def report_choices(origin: str, value: Any) -> ReportChoices:
    """Read and check what stands under ``report``.

    Args:
        origin: the file, for messages.
        value: keys and values, or None.

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

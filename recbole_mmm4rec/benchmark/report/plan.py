"""What a report shows: ``plan.yaml``, all of it optional."""

from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from typing import Any

import yaml

from recbole_mmm4rec.errors import UserError

PLAN_FILE = "plan.yaml"
KEYS = ("ours", "baselines", "metrics", "sections")


@dataclass(frozen=True)
class ReportPlan:
    """Choices of the user; what is None or empty follows from the runs.

    Attributes:
        origin: what messages call the plan.
        title: heading of the page.
        settings: labels in the order of the tables; runs under other labels are left out.
        keys: the runs that belong to the report; others in the folder are left out.
        ours: label of the setting that is compared with the others.
        baselines: labels by group (a table's upper heading, such as "T+ID"); without groups they share "".
        metrics: lower-case names, in the order of the tables.
        sections: names of sections, in the order of the page.
    """

    origin: str = "report"
    title: str = "Benchmark"
    settings: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    ours: str | None = None
    baselines: dict[str, list[str]] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()


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
    try:
        return _plan(_mapping("file", plan), path)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _plan(plan: dict[str, Any], path: Path) -> ReportPlan:
    report = _mapping("report", plan.get("report"))
    for key in report:
        if key not in KEYS:
            getLogger().warning(
                "%s: report: '%s' is no key of a report; there are %s", path, key, ", ".join(KEYS)
            )
    return ReportPlan(
        origin=f"{path}: report",
        title=_text("title", plan.get("title")) or ReportPlan.title,
        settings=tuple(_names("settings", plan.get("settings"))),
        keys=frozenset(_names("keys", plan.get("keys"))),
        ours=_text("report: ours", report.get("ours")),
        baselines=_groups(report.get("baselines")),
        metrics=tuple(name.lower() for name in _names("report: metrics", report.get("metrics"))),
        sections=tuple(_names("report: sections", report.get("sections"))),
    )


def _mapping(place: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{place}: expected keys and values, found {value!r}")
    return value or {}


def _text(place: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{place}: expected a text, found {value!r}")
    return value


def _groups(value: Any) -> dict[str, list[str]]:
    place = "report: baselines"
    if isinstance(value, dict):
        return {str(group): _names(place, labels) for group, labels in value.items()}
    labels = _names(place, value)
    return {"": labels} if labels else {}


def _names(place: str, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{place}: expected names, found {value!r}")
    return names

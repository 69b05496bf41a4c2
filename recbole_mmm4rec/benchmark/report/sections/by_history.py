"""Results by the length of the history before the test item."""

from recbole_mmm4rec.benchmark.report.grouping import Group, number_groups
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections.by_group import Grouping, group_section, known
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserRows


def by_history(study: Study) -> Section | None:
    """Groups of about equally many test rows."""
    return group_section(study, Grouping("By history length", "History (items)", _groups))


def _groups(rows: list[UserRows]) -> list[Group]:
    return number_groups("history_length", known(rows, "history_length"))

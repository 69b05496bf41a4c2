"""Results by how often the right item occurs in training."""

from recbole_mmm4rec.benchmark.report.grouping import Group, number_groups
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections.by_group import Grouping, group_section, known
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserRows


def by_popularity(study: Study) -> Section | None:
    """Groups of about equally many test rows; items that training never saw are a group of their own."""
    return group_section(
        study, Grouping("By popularity of the right item", "Its training interactions", _groups)
    )


def _groups(rows: list[UserRows]) -> list[Group]:
    return number_groups("item_count", known(rows, "item_count"))

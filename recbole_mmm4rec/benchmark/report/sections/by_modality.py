"""Results by whether the right item has a text, a picture, or whatever the dataset may give it."""

from recbole_mmm4rec.benchmark.report.grouping import Group, presence_groups
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections.by_group import Grouping, group_section
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserRows


def by_modality(study: Study) -> Section | None:
    """Two groups for every modality that some right items have and some have not."""
    return group_section(
        study, Grouping("By modality of the right item", "Right item", _groups, ordered=False)
    )


def _groups(rows: list[UserRows]) -> list[Group]:
    names = dict.fromkeys(name for found in rows for name in found.present)
    mixed = [name for name in names if len({bool(v) for f in rows for v in f.present.get(name, ())}) == 2]
    return [group for name in mixed for group in presence_groups(name)]

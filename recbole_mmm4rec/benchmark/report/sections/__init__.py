"""The sections of a report by name, in its order. Each is left out if the runs have no data for it.

Other packages add sections through the entry point group ``recbole_mmm4rec.report_sections``.
"""

from collections.abc import Callable
from importlib.metadata import entry_points

from recbole_mmm4rec.benchmark.report.section import GROUP, Section
from recbole_mmm4rec.benchmark.report.sections.comparison import (
    ablation,
    comparison,
    full_modality,
    overview,
)
from recbole_mmm4rec.benchmark.report.sections.convergence import convergence
from recbole_mmm4rec.benchmark.report.sections.cost import cost
from recbole_mmm4rec.benchmark.report.sections.groups import by_history, by_modality, by_popularity
from recbole_mmm4rec.benchmark.report.sections.provenance import failures, provenance
from recbole_mmm4rec.benchmark.report.sections.significance import significance
from recbole_mmm4rec.benchmark.report.sections.summary import summary
from recbole_mmm4rec.benchmark.report.sections.transfer import transfer
from recbole_mmm4rec.benchmark.report.sections.truncation import truncation
from recbole_mmm4rec.benchmark.report.sections.tuning import tuning
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.errors import UserError

MakeSection = Callable[[Study], Section | None]
"""Makes a section from what was run; None if the runs have no data for it."""

SECTIONS: dict[str, MakeSection] = {
    "summary": summary,
    "comparison": comparison,
    "overview": overview,
    "significance": significance,
    "full_modality": full_modality,
    "ablations": ablation,
    "transfer": transfer,
    "convergence": convergence,
    "cost": cost,
    "truncation": truncation,
    "history_length": by_history,
    "popularity": by_popularity,
    "modality": by_modality,
    "tuning": tuning,
    "failures": failures,
    "versions": provenance,
}


def all_sections() -> dict[str, MakeSection]:
    """``SECTIONS``, then those of other installed packages.

    Raises:
        UserError: an entry point cannot be loaded, or its name is already in use.
    """
    found = dict(SECTIONS)
    for point in entry_points(group=GROUP):
        if point.name in found:
            raise UserError(f"entry point {GROUP}: there is already a section '{point.name}' ({point.value})")
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(f"entry point {GROUP}: cannot load '{point.name}': {error}") from error
    return found

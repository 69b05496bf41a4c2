"""The sections of a report by name, in its order; each is made where the runs carry its data."""

from collections.abc import Callable

from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections.ablation import ablation
from recbole_mmm4rec.benchmark.report.sections.by_history import by_history
from recbole_mmm4rec.benchmark.report.sections.by_modality import by_modality
from recbole_mmm4rec.benchmark.report.sections.by_popularity import by_popularity
from recbole_mmm4rec.benchmark.report.sections.comparison import comparison
from recbole_mmm4rec.benchmark.report.sections.convergence import convergence
from recbole_mmm4rec.benchmark.report.sections.cost import cost
from recbole_mmm4rec.benchmark.report.sections.failures import failures
from recbole_mmm4rec.benchmark.report.sections.full_modality import full_modality
from recbole_mmm4rec.benchmark.report.sections.overview import overview
from recbole_mmm4rec.benchmark.report.sections.provenance import provenance
from recbole_mmm4rec.benchmark.report.sections.significance import significance
from recbole_mmm4rec.benchmark.report.sections.summary import summary
from recbole_mmm4rec.benchmark.report.sections.transfer import transfer
from recbole_mmm4rec.benchmark.report.sections.truncation import truncation
from recbole_mmm4rec.benchmark.report.study import Study

SECTIONS: dict[str, Callable[[Study], Section | None]] = {
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
    "failures": failures,
    "versions": provenance,
}

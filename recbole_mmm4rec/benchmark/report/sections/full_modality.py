"""The comparison on items that have every modality, as the paper's Table IV."""

from recbole_mmm4rec.benchmark.report.pairing import user_contrasts
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections.comparison import comparison_table
from recbole_mmm4rec.benchmark.report.study import Study


def full_modality(study: Study) -> Section | None:
    """Runs with ``full_modality_only``."""
    comparison = study.full_modality
    if not comparison.runs:
        return None
    contrasts = user_contrasts(comparison, study.users)
    caption = (
        "Test results on the items that have every modality; the other items were filtered out beforehand."
    )
    table = comparison_table(comparison, contrasts, "full-modality", caption)
    return Section("Full-modality subset", [], [table])

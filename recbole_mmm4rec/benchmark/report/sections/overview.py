"""The comparison once more with a row a setting: what came out, and what it took."""

from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.sections.comparison import MARKS_NOTE, metric_cells, seeds_note
from recbole_mmm4rec.benchmark.report.sections.convergence import EPOCHS_TO_BEST, SECONDS_PER_EPOCH, measured
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table

COSTS = (SECONDS_PER_EPOCH, EPOCHS_TO_BEST)


def overview(study: Study) -> Section | None:
    """Easier to read than the comparison where settings are many."""
    comparison = study.comparison
    if not comparison.runs or study.subset_only:
        return None
    columns = [*(Column(written(metric)) for metric in comparison.metrics), *(cost[0] for cost in COSTS)]
    rows = [row for dataset in comparison.datasets for row in _rows(comparison, dataset)]
    notes = [MARKS_NOTE, seeds_note(comparison)]
    caption = "Test results and cost of every setting."
    return Section("Overview", [], [Table("overview", caption, "Setting", columns, rows, notes)])


def _rows(comparison: Comparison, dataset: str) -> list[Row]:
    """The settings that ran on a dataset."""
    labels = [label for label in comparison.settings if comparison.of(dataset, label)]
    results = [
        metric_cells({label: comparison.summary(dataset, label, metric) for label in labels}, metric)
        for metric in comparison.metrics
    ]
    return [
        Row(label, [*cells, *_costs(comparison, dataset, label)], dataset)
        for label, *cells in zip(labels, *results, strict=True)
    ]


def _costs(comparison: Comparison, dataset: str, label: str) -> list[Cell]:
    return [measured(comparison, dataset, label, cost) for cost in COSTS]

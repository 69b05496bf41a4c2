"""Settings side by side, as the paper's Tables II and III: every metric on every dataset."""

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison, ranks
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.pairing import NOT_SHOWN, Contrast
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.statistics import LEVEL, Summary
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import BEST, SECOND, Cell, Column, Row, Table

MARKS = {0: BEST, 1: SECOND}
STAR = "*"
MARKS_NOTE = "Bold: best. Underlined: second."


def comparison(study: Study) -> Section | None:
    """The main comparison, on whole datasets."""
    if not study.comparison.runs or study.subset_only:
        return None
    caption = "Test results of all settings."
    table = comparison_table(study.comparison, study.user_contrasts, "comparison", caption)
    return Section("Comparison", [], [table])


def comparison_table(comparison: Comparison, contrasts: list[Contrast], name: str, caption: str) -> Table:
    """Rows: metrics by dataset. Columns: settings, then the improvement of the reference.

    Args:
        comparison: what is compared.
        contrasts: tests by user; an improvement over a setting that they find different gets a star.
        name, caption: of the table.
    """
    columns = [Column(label, comparison.groups[label]) for label in comparison.settings]
    if comparison.reference:
        columns.append(Column("Improvement"))
    rows = [
        Row(written(metric), _cells(comparison, contrasts, dataset, metric), dataset)
        for dataset in comparison.datasets
        for metric in comparison.metrics
    ]
    return Table(name, caption, "Metric", columns, rows, _notes(comparison, contrasts))


def metric_cells(summaries: dict[str, Summary | None], metric: str) -> list[Cell]:
    """Mean and deviation of each setting, the best and the second marked."""
    marks = ranks({label: summary.mean for label, summary in summaries.items() if summary}, metric)
    return [
        Cell(formatting.value(s.mean), formatting.deviation(s.deviation), MARKS.get(marks.get(label, 2), ""))
        if s
        else Cell(formatting.DASH)
        for label, s in summaries.items()
    ]


def _cells(comparison: Comparison, contrasts: list[Contrast], dataset: str, metric: str) -> list[Cell]:
    summaries = {label: comparison.summary(dataset, label, metric) for label in comparison.settings}
    cells = metric_cells(summaries, metric)
    if comparison.reference:
        star = STAR if _differs(comparison, contrasts, dataset, metric) else ""
        cells.append(Cell(formatting.percent(comparison.improvement(dataset, metric)) + star))
    return cells


def _differs(comparison: Comparison, contrasts: list[Contrast], dataset: str, metric: str) -> bool:
    """Whether users tell the reference from the best other setting."""
    case = (dataset, metric, comparison.best_other(dataset, metric))
    found = [
        contrast for contrast in contrasts if (contrast.dataset, contrast.metric, contrast.other) == case
    ]
    return any(contrast.verdict != NOT_SHOWN for contrast in found)


def _notes(comparison: Comparison, contrasts: list[Contrast]) -> list[str]:
    notes = [MARKS_NOTE, seeds_note(comparison)]
    if comparison.reference:
        notes.append(f"Improvement: of {comparison.reference} over the best other setting, relative.")
    if contrasts:
        notes.append(
            f"{STAR}: significant at {LEVEL:g} (paired t-test by user, Holm's correction for "
            f"{len(contrasts)} comparisons)."
        )
    return notes


def seeds_note(comparison: Comparison) -> str:
    """How many seeds stand behind the means."""
    counts = {
        (dataset, label): len(comparison.by_seed(dataset, label))
        for dataset in comparison.datasets
        for label in comparison.settings
        if comparison.of(dataset, label)
    }
    most = max(counts.values(), default=0)
    fewer = [f"{label} on {dataset}: {count}" for (dataset, label), count in counts.items() if count < most]
    if most == 1:
        return "One seed, so no deviation."
    exceptions = f" ({'; '.join(fewer)})" if fewer else ""
    return f"Mean ± standard deviation over {most} seeds{exceptions}."

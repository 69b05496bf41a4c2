"""Settings side by side: the paper's Tables II to IV, one row per setting, and variants as in Table VI."""

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison, ranks
from recbole_mmm4rec.benchmark.report.contrasts import LEVEL, NOT_SHOWN, Contrast, user_contrasts
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better, written
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.cells import (
    EPOCHS_TO_BEST,
    MARKS,
    MARKS_NOTE,
    SECONDS_PER_EPOCH,
    measured,
    metric_cells,
    seeds_note,
)
from recbole_mmm4rec.benchmark.report.study import Study

STAR = "*"
COSTS = (SECONDS_PER_EPOCH, EPOCHS_TO_BEST)


def comparison(study: Study) -> Section | None:
    """The main comparison, on whole datasets."""
    if not study.comparison.runs or study.subset_only:
        return None
    caption = "Test results of all settings."
    table = comparison_table(study.comparison, study.user_contrasts, "comparison", caption)
    return Section("Comparison", [], [table])


def full_modality(study: Study) -> Section | None:
    """The comparison of runs with ``full_modality_only``, on the items that have every modality."""
    comparison = study.full_modality
    if not comparison.runs:
        return None
    contrasts = user_contrasts(comparison, study.users)
    caption = (
        "Test results on the items that have every modality; the other items were filtered out beforehand."
    )
    table = comparison_table(comparison, contrasts, "full-modality", caption)
    return Section("Full-modality subset", [], [table])


def overview(study: Study) -> Section | None:
    """The comparison with one row per setting and its cost; easier to read if there are many settings."""
    comparison = study.comparison
    if not comparison.runs or study.subset_only:
        return None
    columns = [*(Column(written(metric)) for metric in comparison.metrics), *(cost[0] for cost in COSTS)]
    rows = [row for dataset in comparison.datasets for row in _overview_rows(comparison, dataset)]
    notes = [MARKS_NOTE, seeds_note(comparison)]
    caption = "Test results and cost of every setting."
    return Section("Overview", [], [Table("overview", caption, "Setting", columns, rows, notes)])


def ablation(study: Study) -> Section | None:
    """Rows: the full model, then its variants; columns: metrics by dataset."""
    full, variants = study.ours, _variants(study)
    if full is None or not variants:
        return None
    runs = [run for run in study.results if run.setting in {full, *variants}]
    labels = [full, *variants]
    comparison = Comparison(runs, labels, dict.fromkeys(labels, ""), study.metrics, full)
    table = Table(
        "ablation",
        f"{full} and its variants, test results.",
        "Variant",
        [Column(written(m), dataset) for dataset in comparison.datasets for m in comparison.metrics],
        [Row(f"({n}) {label}", _variant_cells(comparison, label)) for n, label in enumerate(labels)],
        [
            f"In small print: relative change from {full}. Bold: best. Underlined: second.",
            _means_note(comparison),
        ],
    )
    return Section("Ablations", [], [table])


def comparison_table(comparison: Comparison, contrasts: list[Contrast], name: str, caption: str) -> Table:
    """Rows: metrics by dataset. Columns: settings, then the improvement of the reference.

    Args:
        comparison: what is compared.
        contrasts: tests by user; the improvement over a setting that they find different gets a star.
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


def _cells(comparison: Comparison, contrasts: list[Contrast], dataset: str, metric: str) -> list[Cell]:
    summaries = {label: comparison.summary(dataset, label, metric) for label in comparison.settings}
    cells = metric_cells(summaries, metric)
    if comparison.reference:
        star = STAR if _differs(comparison, contrasts, dataset, metric) else ""
        cells.append(Cell(formatting.percent(comparison.improvement(dataset, metric)) + star))
    return cells


def _differs(comparison: Comparison, contrasts: list[Contrast], dataset: str, metric: str) -> bool:
    """Whether the test by user tells the reference from the best other setting."""
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


def _overview_rows(comparison: Comparison, dataset: str) -> list[Row]:
    """Rows of the settings that ran on a dataset."""
    labels = [label for label in comparison.settings if comparison.of(dataset, label)]
    results = [
        metric_cells({label: comparison.summary(dataset, label, metric) for label in labels}, metric)
        for metric in comparison.metrics
    ]
    return [
        Row(label, [*cells, *(measured(comparison, dataset, label, cost) for cost in COSTS)], dataset)
        for label, *cells in zip(labels, *results, strict=True)
    ]


def _variants(study: Study) -> list[str]:
    """Other settings of the same model, with results on a dataset on which the full model has some."""
    ours = study.ours or ""
    datasets = {run.dataset for run in study.results if run.setting == ours}
    found = {run.setting for run in study.results if run.dataset in datasets}
    mine = (label for label in study.settings if study.model_of[label] == study.model_of.get(ours))
    return [label for label in mine if label in found and label != ours and label not in study.shortened]


def _means_note(comparison: Comparison) -> str:
    return seeds_note(comparison).replace("Mean ± standard deviation", "Means")


def _variant_cells(comparison: Comparison, label: str) -> list[Cell]:
    return [
        _variant_cell(comparison, d, label, metric)
        for d in comparison.datasets
        for metric in comparison.metrics
    ]


def _variant_cell(comparison: Comparison, dataset: str, label: str, metric: str) -> Cell:
    means = comparison.means(dataset, metric)
    if label not in means:
        return Cell(formatting.DASH)
    mark = MARKS.get(ranks(means, metric).get(label, 2), "")
    full = means.get(comparison.reference or "")
    if label == comparison.reference or not full:
        return Cell(formatting.value(means[label]), mark=mark)
    change = (means[label] - full) / abs(full)
    return Cell(
        formatting.value(means[label]),
        formatting.percent(-change if smaller_is_better(metric) else change),
        mark,
    )

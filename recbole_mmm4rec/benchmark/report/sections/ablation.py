"""Variants of a model against the full model, as in the paper's Table VI."""

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison, ranks
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better, written
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.cells import MARKS, seeds_note
from recbole_mmm4rec.benchmark.report.study import Study


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
        [Row(f"({n}) {label}", _cells(comparison, label)) for n, label in enumerate(labels)],
        [f"In small print: relative change from {full}. Bold: best. Underlined: second.", _seeds(comparison)],
    )
    return Section("Ablations", [], [table])


def _variants(study: Study) -> list[str]:
    """Other settings of the same model, with results on a dataset on which the full model has some."""
    ours = study.ours or ""
    datasets = {run.dataset for run in study.results if run.setting == ours}
    found = {run.setting for run in study.results if run.dataset in datasets}
    mine = (label for label in study.settings if study.model_of[label] == study.model_of.get(ours))
    return [label for label in mine if label in found and label != ours and label not in study.shortened]


def _seeds(comparison: Comparison) -> str:
    return seeds_note(comparison).replace("Mean ± standard deviation", "Means")


def _cells(comparison: Comparison, label: str) -> list[Cell]:
    return [_cell(comparison, d, label, metric) for d in comparison.datasets for metric in comparison.metrics]


def _cell(comparison: Comparison, dataset: str, label: str, metric: str) -> Cell:
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

"""Table cells and notes that several sections share."""

from collections.abc import Callable

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison, Summary, ranks
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.section import BEST, SECOND, Cell, Column

MARKS = {0: BEST, 1: SECOND}
MARKS_NOTE = "Bold: best. Underlined: second."

Measure = tuple[Column, Callable[[Run], float | None], Callable[[float], str]]
"""A column, its value for a run, and how the value is written."""
EPOCHS_TO_BEST: Measure = (Column("Epochs to best"), lambda run: run.best_epoch, formatting.average)
SECONDS_PER_EPOCH: Measure = (
    Column("Seconds per epoch"),
    lambda run: run.seconds_per_epoch,
    formatting.amount,
)


def metric_cells(summaries: dict[str, Summary | None], metric: str) -> list[Cell]:
    """Mean and standard deviation of each setting, with the best and the second marked."""
    marks = ranks({label: summary.mean for label, summary in summaries.items() if summary}, metric)
    return [
        Cell(formatting.value(s.mean), formatting.deviation(s.deviation), MARKS.get(marks.get(label, 2), ""))
        if s
        else Cell(formatting.DASH)
        for label, s in summaries.items()
    ]


def measured(comparison: Comparison, dataset: str, label: str, measure: Measure) -> Cell:
    """Mean and standard deviation of a measure over the runs of a setting."""
    _, value, text = measure
    found = comparison.summarise(dataset, label, value)
    if found is None:
        return Cell(formatting.DASH)
    return Cell(text(found.mean), "" if found.deviation is None else f"±{text(found.deviation)}")


def seeds_note(comparison: Comparison) -> str:
    """How many seeds the means are taken over."""
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

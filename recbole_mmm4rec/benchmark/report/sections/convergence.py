"""How fast settings learn, as the paper's Fig. 4: by epochs, optimiser steps and wall time."""

from collections.abc import Callable
from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.convergence_curves import AXES, label_axes, paint_lines, run_line
from recbole_mmm4rec.benchmark.report.drawing import draw, legend
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.benchmark.report.section import Figures, Panel, Section
from recbole_mmm4rec.benchmark.report.sections.comparison import seeds_note
from recbole_mmm4rec.benchmark.report.statistics import Summary
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table

SEEDS = "Thin lines: single seeds; thick lines: their mean, as far as every seed goes."
NOTE = "Large marker: best epoch. For models of RecBole's own trainer, wall time holds validation too."
TITLES = {"epochs": "epochs", "steps": "optimiser steps", "seconds": "wall time"}
Measure = tuple[Column, Callable[[Run], float | None], Callable[[float], str]]
EPOCHS_TO_BEST: Measure = (Column("Epochs to best"), lambda run: run.best_epoch, formatting.average)
SECONDS_PER_EPOCH: Measure = (
    Column("Seconds per epoch"),
    lambda run: run.seconds_per_epoch,
    formatting.amount,
)
MEASURES: tuple[Measure, ...] = (
    EPOCHS_TO_BEST,
    (Column("Steps to best"), lambda run: run.steps_to_best, formatting.count),
    (Column("Seconds to best"), lambda run: run.seconds_to_best, formatting.amount),
    SECONDS_PER_EPOCH,
    (Column("Best validation"), lambda run: run.valid.get(run.valid_metric), formatting.value),
)


def convergence(study: Study) -> Section | None:
    """Curves, and a table of what the best epoch took."""
    if not any(run.curve for run in study.comparison.runs):
        return None
    key = legend(study.styles, study.drawn)
    figures = Figures("convergence", "Validation during training.", _panels(study), key, _notes(study))
    return Section("Convergence", [], [figures, _table(study.comparison)])


def _notes(study: Study) -> list[str]:
    return [*([SEEDS] if study.comparison.several_seeds else []), NOTE, *study.drawn_note]


def _panels(study: Study) -> list[Panel]:
    panels = []
    for dataset in study.comparison.datasets:
        for kind in AXES:
            lines = _lines(study, dataset, kind)
            if lines:
                heading = f"{dataset}: {TITLES[kind]}"
                svg = draw(f"Validation result on {heading}", _painter(study, kind, lines))
                panels.append(Panel(heading, svg))
    return panels


def _lines(study: Study, dataset: str, kind: str) -> dict[str, list[Any]]:
    found = {}
    for label in study.drawn:
        runs = study.comparison.of(dataset, label)
        lines = [run_line(run, AXES[kind][1], run.valid_metric) for run in runs]
        found[label] = [line for line in lines if line]
    return {label: lines for label, lines in found.items() if lines}


def _painter(study: Study, kind: str, lines: dict[str, list[Any]]) -> Any:
    def paint(axes: Any) -> None:
        for label, curves in lines.items():
            paint_lines(axes, curves, study.styles[label])
        label_axes(axes, kind, written(_metric(study.comparison.runs)))

    return paint


def _metric(runs: list[Run]) -> str:
    """The one metric that chose epochs, or a word for several."""
    names = {run.valid_metric for run in runs}
    return names.pop() if len(names) == 1 else "metric"


def _table(comparison: Comparison) -> Table:
    rows = [
        Row(label, [measured(comparison, dataset, label, measure) for measure in MEASURES], dataset)
        for dataset in comparison.datasets
        for label in comparison.settings
        if comparison.of(dataset, label)
    ]
    notes = [seeds_note(comparison)]
    return Table(
        "convergence-table", "What the best epoch took.", "Setting", [m[0] for m in MEASURES], rows, notes
    )


def measured(comparison: Comparison, dataset: str, label: str, measure: Measure) -> Cell:
    """Mean and deviation of a measure over a setting's runs."""
    _, value, text = measure
    found: Summary | None = comparison.summarise(dataset, label, value)
    if found is None:
        return Cell(formatting.DASH)
    return Cell(text(found.mean), "" if found.deviation is None else f"±{text(found.deviation)}")

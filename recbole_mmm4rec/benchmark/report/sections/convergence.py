"""How fast settings learn, as in the paper's Fig. 4: by epochs, optimiser steps and wall time."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.drawing import INK, Style, draw, legend, scale_x
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.runs import Point, Run
from recbole_mmm4rec.benchmark.report.section import Column, Figures, Panel, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.cells import (
    EPOCHS_TO_BEST,
    SECONDS_PER_EPOCH,
    Measure,
    measured,
    seeds_note,
)
from recbole_mmm4rec.benchmark.report.study import Study

SEEDS = "Thin lines: single seeds; thick lines: their mean, up to where the shortest run ends."
NOTE = (
    "Large marker: best epoch. For models with RecBole's own trainer, wall time includes validation. "
    "Processor time is that of all threads of the training process."
)
AXES: dict[str, tuple[str, str, Callable[[Point], float | None]]] = {
    "epochs": ("epochs", "Epochs", lambda point: point.epochs),
    "steps": ("optimiser steps", "Optimiser steps", lambda point: point.steps),
    "seconds": ("wall time", "Wall time of training (s)", lambda point: point.seconds),
}
"""Title of a panel, label of its horizontal axis, and the place of a point of the curve on it."""
MEASURES: tuple[Measure, ...] = (
    EPOCHS_TO_BEST,
    (Column("Steps to best"), lambda run: run.steps_to_best, formatting.count),
    (Column("Seconds to best"), lambda run: getattr(run.best_point, "seconds", None), formatting.amount),
    (
        Column("Processor seconds to best"),
        lambda run: getattr(run.best_point, "cpu_seconds", None),
        formatting.amount,
    ),
    SECONDS_PER_EPOCH,
    (Column("Best validation"), lambda run: run.valid.get(run.valid_metric), formatting.value),
)


@dataclass(frozen=True)
class Line:
    """The curve of a run: equally many places and values, and the index of the best epoch among them."""

    places: list[float]
    values: list[float]
    best: int | None


def convergence(study: Study) -> Section | None:
    """Curves, and a table of what the best epoch took."""
    if not any(run.curve for run in study.comparison.runs):
        return None
    panels, drawn = _panels(study)
    key = legend(study.styles, [label for label in study.drawn if label in drawn])
    figures = Figures("convergence", "Validation during training.", panels, key, _notes(study))
    return Section("Convergence", [], [figures, _table(study.comparison)])


def run_line(run: Run, kind: str, metric: str) -> Line | None:
    """The curve of a run over an axis of ``AXES``; None if the record does not have the data."""
    points = [
        (point.number, place, point.valid[metric])
        for point in run.curve
        if metric in point.valid and (place := AXES[kind][2](point)) is not None
    ]
    if not points:
        return None
    numbers, places, values = (list(column) for column in zip(*points, strict=True))
    best = numbers.index(run.best_epoch) if run.best_epoch in numbers else None
    return Line(places, values, best)


def paint_lines(axes: Any, lines: list[Line], style: Style) -> None:
    """A thin line per seed, their mean as far as the shortest goes, and a marker at the mean best epoch."""
    if len(lines) > 1:
        for line in lines:
            axes.plot(line.places, line.values, color=style.colour, linewidth=0.6, alpha=0.4)
    shared = min(len(line.places) for line in lines)
    places = [fmean(line.places[i] for line in lines) for i in range(shared)]
    values = [fmean(line.values[i] for line in lines) for i in range(shared)]
    axes.plot(places, values, **style.line, markevery=max(1, shared // 8))
    found = [(line.places[line.best], line.values[line.best]) for line in lines if line.best is not None]
    if found:
        place, value = (fmean(column) for column in zip(*found, strict=True))
        axes.plot([place], [value], **style.point | {"markersize": 9}, markeredgecolor=INK)


def label_axes(axes: Any, kind: str, metric: str) -> None:
    """Name the axes, with units."""
    axes.set_xlabel(AXES[kind][1])
    axes.set_ylabel(f"Validation {metric}")
    scale_x(axes, [])


def _notes(study: Study) -> list[str]:
    without = [label for label in study.drawn if not _has_steps(study, label)]
    steps = [f"Without a record of optimiser steps: {', '.join(without)}."] if without else []
    return [*([SEEDS] if study.comparison.several_seeds else []), NOTE, *steps, *study.drawn_note]


def _has_steps(study: Study, label: str) -> bool:
    runs = [run for run in study.comparison.runs if run.setting == label]
    return any(point.steps is not None for run in runs for point in run.curve)


def _panels(study: Study) -> tuple[list[Panel], set[str]]:
    """A panel per dataset and axis, and the settings that have a line in any of them."""
    panels, drawn = [], set()
    for dataset in study.comparison.datasets:
        for kind in AXES:
            lines = _lines(study, dataset, kind)
            if lines:
                heading = f"{dataset}: {AXES[kind][0]}"
                svg = draw(f"Validation result on {heading}", _painter(study, kind, lines))
                panels.append(Panel(heading, svg))
                drawn |= set(lines)
    return panels, drawn


def _lines(study: Study, dataset: str, kind: str) -> dict[str, list[Line]]:
    found = {}
    for label in study.drawn:
        runs = study.comparison.of(dataset, label)
        lines = [line for run in runs if (line := run_line(run, kind, run.valid_metric))]
        if lines:
            found[label] = lines
    return found


def _painter(study: Study, kind: str, lines: dict[str, list[Line]]) -> Callable[[Any], None]:
    def paint(axes: Any) -> None:
        for label, curves in lines.items():
            paint_lines(axes, curves, study.styles[label])
        label_axes(axes, kind, written(_metric(study.comparison.runs)))

    return paint


def _metric(runs: list[Run]) -> str:
    """The metric that chose the epochs; a general word if there are several."""
    names = {run.valid_metric for run in runs}
    return names.pop() if len(names) == 1 else "metric"


def _table(comparison: Comparison) -> Table:
    columns = [measure[0] for measure in MEASURES]
    rows = [
        Row(label, [measured(comparison, dataset, label, measure) for measure in MEASURES], dataset)
        for dataset in comparison.datasets
        for label in comparison.settings
        if comparison.of(dataset, label)
    ]
    notes = [seeds_note(comparison)]
    return Table("convergence-table", "What the best epoch took.", "Setting", columns, rows, notes)

"""Validation results over the course of training, of several seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from recbole_mmm4rec.benchmark.report.drawing import INK, Style, scale_x
from recbole_mmm4rec.benchmark.report.run import Epoch, Run

Measure = Callable[[Epoch], float | None]
AXES: dict[str, tuple[str, Measure]] = {
    "epochs": ("Epochs", lambda epoch: epoch.number),
    "steps": ("Optimiser steps", lambda epoch: epoch.steps),
    "seconds": ("Wall time of training (s)", lambda epoch: epoch.seconds),
}


@dataclass(frozen=True)
class Line:
    """A curve of a run: equally many places and values, and where its best epoch lies among them."""

    places: list[float]
    values: list[float]
    best: int | None


def run_line(run: Run, measure: Measure, metric: str) -> Line | None:
    """The course of a run; None where the record does not hold it."""
    points = [
        (epoch.number, place, epoch.valid[metric])
        for epoch in run.curve
        if metric in epoch.valid and (place := measure(epoch)) is not None
    ]
    if not points:
        return None
    numbers, places, values = (list(column) for column in zip(*points, strict=True))
    best = numbers.index(run.best_epoch) if run.best_epoch in numbers else None
    return Line(places, values, best)


def paint_lines(axes: Any, lines: list[Line], style: Style) -> None:
    """Each seed thinly, and their mean as far as all of them go; a large marker at the mean best epoch."""
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
    axes.set_xlabel(AXES[kind][0])
    axes.set_ylabel(f"Validation {metric}")
    scale_x(axes, [])

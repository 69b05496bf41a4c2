"""What pre-training saves, as in the paper's Table V: the cost of being as good as training from scratch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.drawing import draw, legend
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better, written
from recbole_mmm4rec.benchmark.report.runs import Point, Run
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Figures, Panel, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.convergence import label_axes, paint_lines, run_line
from recbole_mmm4rec.benchmark.report.study import Study

_OF_TRANSFER = ("pretrained", "load_item_tables")
"""Keys in which a pre-trained run differs from its partner from scratch."""
_OF_TRAINING = ("learning_rate", "epochs", "patience")
"""Keys in which it may differ, where no run from scratch is nearer."""
MEASURES: tuple[tuple[str, Callable[[Point], float | None]], ...] = (
    ("Epochs", lambda point: point.epochs),
    ("Optimiser steps", lambda point: point.steps),
    ("Seconds", lambda point: point.seconds),
    ("Processor seconds", lambda point: point.cpu_seconds),
)
SIDES = ("scratch", "pre-trained", "change")
NOTES = [
    "Epochs, steps and seconds of training until validation is first as good as in the best epoch of the "
    "same run from scratch (same seed), with eval_interval_steps perhaps within an epoch; means over the "
    "seeds that reach it (reached: how many of all). Faster: the mean from scratch over the mean "
    "pre-trained. Before any step: before the first optimiser step, where it was measured; from scratch that "
    "is what random weights make of the features.",
    "The pre-training itself is not included.",
]


@dataclass(frozen=True)
class TransferPair:
    """Two runs of the same dataset, seed and model.

    Attributes:
        goal: validation result of the best epoch of ``scratch``.
        scratch_reached: where ``scratch`` is first as good.
        reached: where ``pretrained`` is first as good; None if nowhere.
    """

    scratch: Run
    pretrained: Run
    goal: float
    scratch_reached: Point
    reached: Point | None


Pairs = dict[tuple[str, str], list[TransferPair]]
"""Pairs by dataset and setting of the pre-trained run."""


def transfer(study: Study) -> Section | None:
    """Every pre-trained setting that also ran from scratch."""
    pairs = transfer_pairs(study)
    if not pairs:
        return None
    text = [_cost_line(run) for run in study.pretraining] + _partners(pairs)
    return Section("Transfer", text, [_table(study, pairs), _figures(study, pairs)])


def transfer_pairs(study: Study) -> Pairs:
    """Pre-trained runs with the same runs from scratch."""
    pairs: Pairs = {}
    for run in study.results:
        partner = _partner(study, run) if run.pretrain_key else None
        pair = _pair(partner, run) if partner else None
        if pair:
            pairs.setdefault((run.dataset, run.setting), []).append(pair)
    return pairs


def _partner(study: Study, run: Run) -> Run | None:
    """The run from scratch that differs from a pre-trained one only by the transfer."""
    candidates = (
        other
        for other in study.results
        if (other.model, other.dataset, other.seed) == (run.model, run.dataset, run.seed)
        and other.from_scratch
        and other.setting not in study.shortened
    )
    same = (other for other in candidates if _same_but_transfer(other, run))
    return min(same, key=lambda other: _differing(other, run, _OF_TRAINING), default=None)


def _same_but_transfer(first: Run, second: Run) -> bool:
    return not _differing(first, second, {*first.changes, *second.changes} - {*_OF_TRANSFER, *_OF_TRAINING})


def _differing(first: Run, second: Run, keys: Iterable[str]) -> int:
    """How many of some keys the runs set differently."""
    return sum(first.changes.get(key) != second.changes.get(key) for key in keys)


def _pair(scratch: Run, pretrained: Run) -> TransferPair | None:
    metric, best = scratch.valid_metric, scratch.best_point
    if best is None or metric not in best.valid or not any(metric in p.valid for p in pretrained.curve):
        return None
    goal = best.valid[metric]
    before = _first_as_good(scratch, metric, goal) or best
    return TransferPair(scratch, pretrained, goal, before, _first_as_good(pretrained, metric, goal))


def _first_as_good(run: Run, metric: str, goal: float) -> Point | None:
    sign = -1 if smaller_is_better(metric) else 1
    known = (point for point in run.curve if metric in point.valid)
    return next((point for point in known if sign * point.valid[metric] >= sign * goal), None)


def _partners(pairs: Pairs) -> list[str]:
    """With which setting from scratch each pre-trained one is compared."""
    named = {(label, pair.scratch.setting): None for (_, label), found in pairs.items() for pair in found}
    return [f"{label} is compared with {partner}." for label, partner in named]


def _cost_line(run: Run) -> str:
    epochs, seconds = formatting.count(run.epochs), formatting.amount(run.seconds)
    return f"{run.setting}, on {run.dataset}, seed {run.seed}: {epochs} epochs, {seconds} s, once."


def _table(study: Study, pairs: Pairs) -> Table:
    columns = [Column("Reached")]
    for name, _ in MEASURES:
        columns += [
            Column(title, f"{name} to equal quality") for title in ("scratch", "pre-trained", "faster")
        ]
    columns += [Column(title, "Seconds per epoch") for title in ("scratch", "pre-trained")]
    chosen_by = next(iter(pairs.values()))[0].scratch.valid_metric
    validation = f"Validation {written(chosen_by)}"
    columns += [Column(title, f"{validation} before any step") for title in SIDES]
    columns += [Column(title, validation) for title in SIDES]
    columns += [Column(title, f"Test {written(study.main_metric)}") for title in SIDES]
    rows = [Row(label, _cells(study, found), dataset) for (dataset, label), found in pairs.items()]
    return Table("transfer", "Pre-trained against from scratch.", "Setting", columns, rows, NOTES)


def _cells(study: Study, pairs: list[TransferPair]) -> list[Cell]:
    reached = [(pair.scratch_reached, pair.reached) for pair in pairs if pair.reached]
    cells = [Cell(f"{len(reached)} of {len(pairs)}")]
    for _, measure in MEASURES:
        cells += _saving([(measure(before), measure(after)) for before, after in reached])
    sides = [pair.scratch for pair in pairs], [pair.pretrained for pair in pairs]
    cells += [Cell(formatting.amount(_mean([run.seconds_per_epoch for run in side]))) for side in sides]
    cells += _change([[_at_start(run) for run in side] for side in sides])
    cells += _change([[run.valid.get(run.valid_metric) for run in side] for side in sides])
    return cells + _change([[run.test.get(study.main_metric) for run in side] for side in sides])


def _at_start(run: Run) -> float | None:
    """Validation before the first step."""
    return next((point.valid.get(run.valid_metric) for point in run.curve if point.steps == 0), None)


def _change(sides: list[list[float | None]]) -> list[Cell]:
    """Metric from scratch, metric when pre-trained, and the relative change."""
    before, after = map(_mean, sides)
    change = (after - before) / before if before and after is not None else None
    return [
        *(Cell(formatting.value(mean)) for mean in (before, after)),
        Cell(formatting.percent(change)),
    ]


def _saving(values: list[tuple[float | None, float | None]]) -> list[Cell]:
    """Cost from scratch, cost when pre-trained, and their ratio."""
    before, after = (_mean([pair[side] for pair in values]) for side in (0, 1))
    faster = before / after if before and after else None
    return [Cell(formatting.amount(before)), Cell(formatting.amount(after)), Cell(formatting.ratio(faster))]


def _mean(values: list[float | None]) -> float | None:
    """Mean of numbers; None if any of them is not known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _figures(study: Study, pairs: Pairs) -> Figures:
    panels = [_panel(study, dataset, label, found) for (dataset, label), found in pairs.items()]
    runs = [run for found in pairs.values() for pair in found for run in (pair.scratch, pair.pretrained)]
    key = legend(study.styles, list(dict.fromkeys(run.setting for run in runs)))
    notes = [
        "Horizontal line: the best of the run from scratch, mean over seeds. The other lines are explained "
        "in the section on convergence."
    ]
    return Figures("transfer", "Validation by epoch, pre-trained and from scratch.", panels, key, notes)


def _panel(study: Study, dataset: str, label: str, pairs: list[TransferPair]) -> Panel:
    metric = pairs[0].scratch.valid_metric

    def paint(axes: Any) -> None:
        for runs in ([pair.scratch for pair in pairs], [pair.pretrained for pair in pairs]):
            lines = [line for run in runs if (line := run_line(run, "epochs", metric))]
            paint_lines(axes, lines, study.styles[runs[0].setting])
        goal = fmean(pair.goal for pair in pairs)
        axes.axhline(goal, color=study.styles[pairs[0].scratch.setting].colour, linewidth=0.8, linestyle=":")
        label_axes(axes, "epochs", written(metric))

    return Panel(f"{dataset}: {label}", draw(f"Validation by epoch on {dataset}, {label}", paint))

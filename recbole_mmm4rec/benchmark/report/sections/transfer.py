"""What pre-training saves, as in the paper's Table V: the cost of being as good as training from scratch."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.drawing import draw, legend
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better, written
from recbole_mmm4rec.benchmark.report.runs import Epoch, Run
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Figures, Panel, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.convergence import label_axes, paint_lines, run_line
from recbole_mmm4rec.benchmark.report.study import Study

_OF_TRANSFER = ("pretrained", "load_item_tables", "learning_rate", "epochs", "patience")
"""Keys in which a pre-trained run may differ from its partner from scratch."""
MEASURES: tuple[tuple[str, Callable[[Epoch], float | None]], ...] = (
    ("Epochs", lambda epoch: epoch.number),
    ("Optimiser steps", lambda epoch: epoch.steps),
    ("Seconds", lambda epoch: epoch.seconds),
)
NOTES = [
    "Epochs, steps and seconds of training until validation is as good as the best of the same run from "
    "scratch (same seed); means over the seeds that reach it (reached: how many of all). Faster: the mean "
    "from scratch over the mean pre-trained.",
    "The pre-training itself is not included.",
]


@dataclass(frozen=True)
class TransferPair:
    """Two runs of the same dataset, seed and model.

    Attributes:
        scratch_best: epoch of the best validation of ``scratch``.
        reached: first epoch of ``pretrained`` that is as good; None if there is none.
    """

    scratch: Run
    pretrained: Run
    scratch_best: Epoch
    reached: Epoch | None


Pairs = dict[tuple[str, str], list[TransferPair]]
"""Pairs by dataset and setting of the pre-trained run."""


def transfer(study: Study) -> Section | None:
    """Every pre-trained setting that also ran from scratch."""
    pairs = transfer_pairs(study)
    if not pairs:
        return None
    text = [_cost_line(run) for run in study.pretraining]
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
        and not other.pretrain_key
        and other.setting not in study.shortened
    )
    return next((other for other in candidates if _same_but_transfer(other, run)), None)


def _same_but_transfer(first: Run, second: Run) -> bool:
    keys = {*first.changes, *second.changes} - {*_OF_TRANSFER}
    return all(first.changes.get(key) == second.changes.get(key) for key in keys)


def _pair(scratch: Run, pretrained: Run) -> TransferPair | None:
    metric = scratch.valid_metric
    best = next((e for e in scratch.curve if e.number == scratch.best_epoch and metric in e.valid), None)
    if best is None or not any(metric in epoch.valid for epoch in pretrained.curve):
        return None
    sign = -1 if smaller_is_better(metric) else 1
    goal = sign * best.valid[metric]
    reached = next(
        (e for e in pretrained.curve if metric in e.valid and sign * e.valid[metric] >= goal), None
    )
    return TransferPair(scratch, pretrained, best, reached)


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
    metric = f"Test {written(study.main_metric)}"
    columns += [Column(title, metric) for title in ("scratch", "pre-trained", "change")]
    rows = [Row(label, _cells(study, found), dataset) for (dataset, label), found in pairs.items()]
    return Table("transfer", "Pre-trained against from scratch.", "Setting", columns, rows, NOTES)


def _cells(study: Study, pairs: list[TransferPair]) -> list[Cell]:
    reached = [(pair.scratch_best, pair.reached) for pair in pairs if pair.reached]
    cells = [Cell(f"{len(reached)} of {len(pairs)}")]
    for _, measure in MEASURES:
        cells += _saving([(measure(best), measure(epoch)) for best, epoch in reached])
    sides = [pair.scratch for pair in pairs], [pair.pretrained for pair in pairs]
    cells += [Cell(formatting.amount(_mean([run.seconds_per_epoch for run in side]))) for side in sides]
    before, after = (_mean([run.test.get(study.main_metric) for run in side]) for side in sides)
    change = (after - before) / before if before and after is not None else None
    return [
        *cells,
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
        goal = fmean(pair.scratch_best.valid[metric] for pair in pairs)
        axes.axhline(goal, color=study.styles[pairs[0].scratch.setting].colour, linewidth=0.8, linestyle=":")
        label_axes(axes, "epochs", written(metric))

    return Panel(f"{dataset}: {label}", draw(f"Validation by epoch on {dataset}, {label}", paint))

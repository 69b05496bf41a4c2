"""What pre-training saves, as the paper's Table V: what it takes to reach the best model from scratch."""

from collections.abc import Callable
from statistics import fmean
from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.convergence_curves import AXES, label_axes, paint_lines, run_line
from recbole_mmm4rec.benchmark.report.drawing import draw, legend
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.run import Epoch, Run
from recbole_mmm4rec.benchmark.report.section import Figures, Panel, Section
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table
from recbole_mmm4rec.benchmark.report.transfer_pairs import TransferPair, transfer_pairs

Pairs = dict[tuple[str, str], list[TransferPair]]
MEASURES: tuple[tuple[str, Callable[[Epoch], float | None]], ...] = (
    ("Epochs", lambda epoch: epoch.number),
    ("Optimiser steps", lambda epoch: epoch.steps),
    ("Seconds", lambda epoch: epoch.seconds),
)
NOTES = [
    "Epochs, steps and seconds of training until validation is as good as the best of the same run from "
    "scratch (same seed); means over the seeds that reach it (reached: how many of all). Faster: the mean "
    "from scratch over the mean pre-trained.",
    "The pre-training itself is not in it.",
]


def transfer(study: Study) -> Section | None:
    """Every pre-trained setting that ran from scratch too."""
    pairs = transfer_pairs(study)
    if not pairs:
        return None
    text = [_cost_line(run) for run in study.pretraining]
    return Section("Transfer", text, [_table(study, pairs), _figures(study, pairs)])


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
    """What scratch took, what the pre-trained took, and how many times less that is."""
    before, after = (_mean([pair[side] for pair in values]) for side in (0, 1))
    faster = before / after if before and after else None
    return [Cell(formatting.amount(before)), Cell(formatting.amount(after)), Cell(formatting.ratio(faster))]


def _mean(values: list[float | None]) -> float | None:
    """Mean of numbers; None where one is not known."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def _figures(study: Study, pairs: Pairs) -> Figures:
    panels = [_panel(study, dataset, label, found) for (dataset, label), found in pairs.items()]
    runs = [run for found in pairs.values() for pair in found for run in (pair.scratch, pair.pretrained)]
    key = legend(study.styles, list(dict.fromkeys(run.setting for run in runs)))
    notes = [
        "Horizontal line: the best of the run from scratch, mean over seeds. Lines as under convergence."
    ]
    return Figures("transfer", "Validation by epoch, pre-trained and from scratch.", panels, key, notes)


def _panel(study: Study, dataset: str, label: str, pairs: list[TransferPair]) -> Panel:
    metric = pairs[0].scratch.valid_metric

    def paint(axes: Any) -> None:
        for runs in ([pair.scratch for pair in pairs], [pair.pretrained for pair in pairs]):
            lines = [line for run in runs if (line := run_line(run, AXES["epochs"][1], metric))]
            paint_lines(axes, lines, study.styles[runs[0].setting])
        goal = fmean(pair.scratch_best.valid[metric] for pair in pairs)
        axes.axhline(goal, color=study.styles[pairs[0].scratch.setting].colour, linewidth=0.8, linestyle=":")
        label_axes(axes, "epochs", written(metric))

    return Panel(f"{dataset}: {label}", draw(f"Validation by epoch on {dataset}, {label}", paint))

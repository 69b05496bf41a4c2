"""A metric against the length that histories are cut to, as in the paper's Fig. 2."""

import re
from itertools import takewhile
from typing import Any

from recbole_mmm4rec.benchmark.report.comparison import Summary, summarise
from recbole_mmm4rec.benchmark.report.drawing import draw, legend, make_styles, scale_x
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.section import Column, Figures, Panel, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.cells import metric_cells
from recbole_mmm4rec.benchmark.report.study import LENGTH, Study, without_length

Sweep = dict[int, list[Run]]
"""Runs by length, in ascending order."""
CAPTION = "Test results by the longest history that a model reads."


def truncation(study: Study) -> Section | None:
    """A panel per dataset and metric, with a line for every model that ran with several lengths."""
    sweeps = _sweeps(study)
    if not sweeps:
        return None
    labels = list(dict.fromkeys(label for found in sweeps.values() for label in found))
    styles = make_styles(labels, _of_ours(study, sweeps))
    panels = [
        _panel(dataset, found, metric, styles)
        for dataset, found in sweeps.items()
        for metric in study.metrics
    ]
    caption = f"{CAPTION[:-1]} ({LENGTH})."
    key = legend(styles, [label for label in labels if _has_results(sweeps, label, study.metrics)])
    figures = Figures("truncation", caption, panels, key, study.comparison.bars_note)
    return Section("Truncated histories", [], [figures, _table(sweeps, study.metrics)])


def _sweeps(study: Study) -> dict[str, dict[str, Sweep]]:
    """Sweeps with at least two lengths, by dataset and by the label of what is swept."""
    by_rest: dict[str, list[Run]] = {}
    for run in study.results:
        if isinstance(run.config.get(LENGTH), int):
            by_rest.setdefault(without_length(run), []).append(run)
    sweeps: dict[str, dict[str, Sweep]] = {}
    for runs in by_rest.values():
        lengths = sorted({run.config[LENGTH] for run in runs})
        if len(lengths) > 1:
            sweep = {length: [run for run in runs if run.config[LENGTH] == length] for length in lengths}
            sweeps.setdefault(runs[0].dataset, {})[_label(runs)] = sweep
    return sweeps


def _label(runs: list[Run]) -> str:
    """The words that all labels of the settings begin with; if there are none, the model and its changes."""
    words = zip(*(re.split(r"[\s,]+", run.setting) for run in runs), strict=False)
    shared = " ".join(same[0] for same in takewhile(lambda place: len(set(place)) == 1, words))
    rest = ", ".join(f"{key}={value}" for key, value in runs[0].changes.items() if key != LENGTH)
    return shared or (f"{runs[0].model} ({rest})" if rest else runs[0].model)


def _has_results(sweeps: dict[str, dict[str, Sweep]], label: str, metrics: list[str]) -> bool:
    runs = [run for found in sweeps.values() for same in found.get(label, {}).values() for run in same]
    return any(metric in run.test for run in runs for metric in metrics)


def _of_ours(study: Study, sweeps: dict[str, dict[str, Sweep]]) -> str | None:
    """The label of the sweep that contains our setting."""
    for found in sweeps.values():
        for label, sweep in found.items():
            if any(run.setting == study.ours for runs in sweep.values() for run in runs):
                return label
    return None


def _panel(dataset: str, sweeps: dict[str, Sweep], metric: str, styles: dict[str, Any]) -> Panel:
    title = f"{dataset}: {written(metric)}"
    lengths = sorted({length for sweep in sweeps.values() for length in sweep})

    def paint(axes: Any) -> None:
        for label, sweep in sweeps.items():
            summaries = {length: _summary(runs, metric) for length, runs in sweep.items()}
            found = {length: summary for length, summary in summaries.items() if summary}
            means = [summary.mean for summary in found.values()]
            spread = [summary.deviation or 0 for summary in found.values()]
            axes.errorbar(list(found), means, spread, elinewidth=0.8, capsize=2, **styles[label].line)
        axes.set_xlabel("Longest history (items)")
        axes.set_ylabel(f"Test {written(metric)}")
        scale_x(axes, [float(length) for length in lengths])
        axes.set_xticks(lengths)

    return Panel(
        title,
        draw(f"Test result by history length on {title}", paint),
    )


def _summary(runs: list[Run], metric: str) -> Summary | None:
    return summarise([run.test[metric] for run in runs if metric in run.test])


def _table(sweeps: dict[str, dict[str, Sweep]], metrics: list[str]) -> Table:
    lengths = sorted({length for found in sweeps.values() for sweep in found.values() for length in sweep})
    rows = []
    for dataset, found in sweeps.items():
        for label, sweep in found.items():
            for metric in metrics:
                summaries = {str(length): _summary(sweep.get(length, []), metric) for length in lengths}
                rows.append(Row(written(metric), metric_cells(summaries, metric), f"{dataset} · {label}"))
    notes = ["Mean ± standard deviation over seeds, if several. Bold: best length. Underlined: second."]
    columns = [Column(str(length), "Longest history") for length in lengths]
    return Table("truncation-table", CAPTION, "Metric", columns, rows, notes, "Dataset and setting")

"""Quality against what it costs: time, parameters, memory."""

from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Summary
from recbole_mmm4rec.benchmark.report.drawing import draw, legend, scale_x
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Figures, Panel, Row, Section, Table
from recbole_mmm4rec.benchmark.report.study import Study

COSTS: dict[str, tuple[str, Any]] = {
    "seconds": ("Wall time of a run (s)", lambda run: run.seconds),
    "parameters": ("Parameters", lambda run: run.parameters),
    "memory": ("Peak memory (MiB)", lambda run: run.peak_memory),
}
Point = tuple[Summary, Summary]
"""Cost and quality."""
TITLES = {"seconds": "wall time", "parameters": "parameters", "memory": "peak memory"}


def cost(study: Study) -> Section | None:
    """Scatter plots with one point per setting, and the numbers."""
    measures = {kind: cost for kind, cost in COSTS.items() if any(map(cost[1], study.comparison.runs))}
    if not measures:
        return None
    panels, drawn = [], set()
    for dataset in study.comparison.datasets:
        for kind in measures:
            points = _points(study, dataset, kind)
            if points:
                panels.append(_panel(study, dataset, kind, points))
                drawn |= set(points)
    caption = f"Test {written(study.main_metric)} against cost."
    notes = study.comparison.bars_note
    key = legend(study.styles, [label for label in study.comparison.settings if label in drawn], lines=False)
    figures = Figures("cost", caption, panels, key, notes)
    return Section("Quality against cost", [], [figures, _table(study, measures)])


def _panel(study: Study, dataset: str, kind: str, points: dict[str, Point]) -> Panel:
    title = f"{dataset}: {TITLES[kind]}"

    def paint(axes: Any) -> None:
        for label, (price, quality) in points.items():
            spread = [quality.deviation or 0], [price.deviation or 0]
            style = study.styles[label]
            axes.errorbar(
                [price.mean], [quality.mean], *spread, fmt="none", ecolor=style.colour, elinewidth=0.8
            )
            axes.plot([price.mean], [quality.mean], **style.point)
        axes.set_xlabel(COSTS[kind][0])
        axes.set_ylabel(f"Test {written(study.main_metric)}")
        scale_x(axes, [price.mean for price, _ in points.values()])

    return Panel(title, draw(f"Test result against cost on {title}", paint))


def _points(study: Study, dataset: str, kind: str) -> dict[str, Point]:
    """Cost and quality of the settings that have both."""
    points = {label: _point(study, dataset, label, kind) for label in study.comparison.settings}
    return {label: point for label, point in points.items() if point}


def _point(study: Study, dataset: str, label: str, kind: str) -> Point | None:
    price = study.comparison.summarise(dataset, label, COSTS[kind][1])
    quality = study.comparison.summary(dataset, label, study.main_metric)
    return (price, quality) if price and quality else None


def _table(study: Study, measures: dict[str, tuple[str, Any]]) -> Table:
    comparison = study.comparison
    columns = [
        Column(f"Test {written(study.main_metric)}"),
        *(Column(title) for title, _ in measures.values()),
    ]
    columns.append(Column("Device", number=False))
    rows = [
        Row(label, _cells(study, dataset, label, measures), dataset)
        for dataset in comparison.datasets
        for label in comparison.settings
        if comparison.of(dataset, label)
    ]
    notes = ["Means over seeds, without the cost of pre-training, which is in the section on transfer."]
    return Table("cost-table", "What a run costs.", "Setting", columns, rows, notes)


def _cells(study: Study, dataset: str, label: str, measures: dict[str, tuple[str, Any]]) -> list[Cell]:
    quality = study.comparison.summary(dataset, label, study.main_metric)
    cells = [Cell(formatting.value(quality.mean if quality else None))]
    for _, measure in measures.values():
        found = study.comparison.summarise(dataset, label, measure)
        cells.append(Cell(formatting.count(found.mean if found else None)))
    return [*cells, Cell(_devices(study.comparison.of(dataset, label)))]


def _devices(runs: list[Run]) -> str:
    return ", ".join(dict.fromkeys(str(run.versions.get("device") or formatting.DASH) for run in runs))

"""Quality against what it costs: time, parameters, memory."""

from typing import Any

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.drawing import draw, legend, scale_x
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.benchmark.report.section import Figures, Panel, Section
from recbole_mmm4rec.benchmark.report.statistics import Summary
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table

COSTS: dict[str, tuple[str, Any]] = {
    "seconds": ("Wall time of a run (s)", lambda run: run.seconds),
    "parameters": ("Parameters", lambda run: run.parameters),
    "memory": ("Peak memory (MiB)", lambda run: run.peak_memory),
}
TITLES = {"seconds": "wall time", "parameters": "parameters", "memory": "peak memory"}


def cost(study: Study) -> Section | None:
    """Scatter plots, a point for each setting, and the numbers."""
    measures = {kind: cost for kind, cost in COSTS.items() if any(map(cost[1], study.comparison.runs))}
    if not measures:
        return None
    panels = [
        panel
        for dataset in study.comparison.datasets
        for kind in measures
        if (panel := _panel(study, dataset, kind)) is not None
    ]
    caption = f"Test {written(study.main_metric)} against cost."
    notes = study.comparison.bars_note
    key = legend(study.styles, study.comparison.settings)
    figures = Figures("cost", caption, panels, key, notes)
    return Section("Quality against cost", [], [figures, _table(study, measures)])


def _panel(study: Study, dataset: str, kind: str) -> Panel | None:
    points = {label: _point(study, dataset, label, kind) for label in study.comparison.settings}
    found = {label: point for label, point in points.items() if point}
    if not found:
        return None
    title = f"{dataset}: {TITLES[kind]}"

    def paint(axes: Any) -> None:
        for label, (price, quality) in found.items():
            spread = [quality.deviation or 0], [price.deviation or 0]
            style = study.styles[label]
            axes.errorbar(
                [price.mean], [quality.mean], *spread, fmt="none", ecolor=style.colour, elinewidth=0.8
            )
            axes.plot([price.mean], [quality.mean], **style.point)
        axes.set_xlabel(COSTS[kind][0])
        axes.set_ylabel(f"Test {written(study.main_metric)}")
        scale_x(axes, [price.mean for price, _ in found.values()])

    return Panel(title, draw(f"Test result against cost on {title}", paint))


def _point(study: Study, dataset: str, label: str, kind: str) -> tuple[Summary, Summary] | None:
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
    notes = ["Means over seeds. Pre-training is not in it; the section on transfer names it."]
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

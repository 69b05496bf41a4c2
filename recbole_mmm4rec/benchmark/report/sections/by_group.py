"""What the sections on groups of test rows share: a figure and a table of the main metric."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.drawing import draw, legend
from recbole_mmm4rec.benchmark.report.grouping import Group, GroupResult, group_results
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.section import Figures, Panel, Section
from recbole_mmm4rec.benchmark.report.sections.comparison import MARKS_NOTE, metric_cells, seeds_note
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table
from recbole_mmm4rec.benchmark.report.users import UserRows

SPREAD = 0.3
"""Width over which settings stand beside each other at one group, of the groups' distance."""


@dataclass(frozen=True)
class Grouping:
    """A way to group test rows.

    Attributes:
        title: of the section.
        corner: what a group is, in a table's corner and on an axis.
        groups_of: groups of a dataset, from the test rows of all its runs.
        ordered: one group follows the other, so that lines may join them.
    """

    title: str
    corner: str
    groups_of: Callable[[list[UserRows]], list[Group]]
    ordered: bool = True

    @property
    def name(self) -> str:
        """For files and anchors."""
        return formatting.slug(self.title)

    @property
    def inside(self) -> str:
        """The title within a sentence."""
        return self.title[0].lower() + self.title[1:]


def group_section(study: Study, grouping: Grouping) -> Section | None:
    """A section of results by group, of the datasets with at least two groups."""
    results = {}
    for dataset in study.comparison.datasets:
        rows = [study.users.rows(run) for run in study.comparison.runs if run.dataset == dataset]
        groups = grouping.groups_of([found for found in rows if found is not None])
        found = group_results(study.comparison, study.users, dataset, study.main_metric, groups)
        if len(found) > 1:
            results[dataset] = found
    if not results:
        return None
    blocks = _figures(study, grouping, results), _table(study, grouping, results)
    return Section(grouping.title, [], blocks)


def known(rows: list[UserRows], fact: str) -> np.ndarray:
    """A fact of the test rows of the first run that knows it; empty where none does."""
    return next((found.facts[fact] for found in rows if fact in found.facts), np.empty(0, dtype=np.int64))


def _figures(study: Study, grouping: Grouping, results: dict[str, list[GroupResult]]) -> Figures:
    panels = []
    for dataset, found in results.items():
        svg = draw(f"{grouping.title} on {dataset}", _painter(study, grouping, found))
        panels.append(Panel(dataset, svg))
    caption = f"Test {written(study.main_metric)} {grouping.inside}."
    key = legend(study.styles, study.drawn)
    return Figures(grouping.name, caption, panels, key, [*study.comparison.bars_note, *study.drawn_note])


def _painter(study: Study, grouping: Grouping, results: list[GroupResult]) -> Callable[[Any], None]:
    settings = study.drawn

    def paint(axes: Any) -> None:
        for number, label in enumerate(settings):
            aside = SPREAD * ((number + 0.5) / len(settings) - 0.5)
            found = [(place + aside, result.summaries[label]) for place, result in enumerate(results)]
            points = [(place, s.mean, s.deviation or 0) for place, s in found if s]
            style = study.styles[label].line if grouping.ordered else study.styles[label].point
            if points:
                axes.errorbar(*zip(*points, strict=True), elinewidth=0.8, capsize=2, **style)
        axes.set_xticks(range(len(results)), [result.label for result in results])
        axes.set_xlim(-0.5, len(results) - 0.5)
        axes.set_xlabel(grouping.corner)
        axes.set_ylabel(f"Test {written(study.main_metric)}")

    return paint


def _table(study: Study, grouping: Grouping, results: dict[str, list[GroupResult]]) -> Table:
    metric = study.main_metric
    rows = [
        Row(
            result.label,
            [Cell(formatting.count(result.rows)), *metric_cells(result.summaries, metric)],
            dataset,
        )
        for dataset, found in results.items()
        for result in found
    ]
    columns = [Column("Test rows"), *(Column(label) for label in study.comparison.settings)]
    caption = f"Test {written(metric)} {grouping.inside}."
    notes = [MARKS_NOTE, seeds_note(study.comparison)]
    return Table(f"{grouping.name}-table", caption, grouping.corner, columns, rows, notes)

"""Results by group of test rows: by history length, by popularity and by modality of the target item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import Comparison, Summary, summarise
from recbole_mmm4rec.benchmark.report.drawing import draw, legend
from recbole_mmm4rec.benchmark.report.metrics import row_values, written
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Figures, Panel, Row, Section, Table
from recbole_mmm4rec.benchmark.report.sections.cells import MARKS_NOTE, metric_cells, seeds_note
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserFiles, UserRows

PARTS = 5
SPREAD = 0.3
"""Width over which the settings of a group are spread out, as a share of the distance between groups."""


@dataclass(frozen=True)
class Group:
    """Rows with something in common: a label, and a mask (n,) bool of a run's rows (None: not known)."""

    label: str
    mask: Callable[[UserRows], np.ndarray | None]


@dataclass(frozen=True)
class GroupResult:
    """Results of a group: number of test rows of one run, and mean and deviation over seeds by setting."""

    label: str
    rows: int
    summaries: dict[str, Summary | None]


@dataclass(frozen=True)
class Grouping:
    """A way to group test rows.

    Attributes:
        title: of the section.
        corner: what a group is, in a table's corner and on an axis.
        groups_of: groups of a dataset, given the test rows of all its runs.
        ordered: whether the groups have an order, so that lines may join them.
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


def by_history(study: Study) -> Section | None:
    """By number of interactions before the test item, in groups of about equally many test rows."""
    return group_section(study, Grouping("By history length", "History (items)", _history_groups))


def by_popularity(study: Study) -> Section | None:
    """By training interactions of the target item; items that training never saw form a separate group."""
    return group_section(
        study, Grouping("By popularity of the target item", "Its training interactions", _popularity_groups)
    )


def by_modality(study: Study) -> Section | None:
    """Two groups for every modality that some target items have and others do not."""
    return group_section(
        study, Grouping("By modality of the target item", "Target item", _modality_groups, ordered=False)
    )


def _history_groups(rows: list[UserRows]) -> list[Group]:
    return number_groups("history_length", _known(rows, "history_length"))


def _popularity_groups(rows: list[UserRows]) -> list[Group]:
    return number_groups("item_count", _known(rows, "item_count"))


def _modality_groups(rows: list[UserRows]) -> list[Group]:
    names = dict.fromkeys(name for found in rows for name in found.present)
    mixed = [name for name in names if len({bool(v) for f in rows for v in f.present.get(name, ())}) == 2]
    return [group for name in mixed for group in presence_groups(name)]


def _known(rows: list[UserRows], fact: str) -> np.ndarray:
    """A fact of the test rows from the first run that has it; empty if none has."""
    return next((found.facts[fact] for found in rows if fact in found.facts), np.empty(0, dtype=np.int64))


def group_section(study: Study, grouping: Grouping) -> Section | None:
    """A section of results by group, for the datasets with at least two groups."""
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


def ranges(values: np.ndarray, parts: int = PARTS) -> list[tuple[int, int]]:
    """Split whole numbers into at most ``parts`` adjacent ranges with about equally many values each.

    Args:
        values: (n,) whole numbers, at least one.
        parts: largest number of ranges.

    Returns:
        First and last number of each range; both occur in ``values``.
    """
    numbers, counts = np.unique(values.astype(np.int64), return_counts=True)
    before = np.cumsum(counts) - counts
    places = ((before + counts / 2) * parts / counts.sum()).astype(int)
    return [(int(numbers[places == p].min()), int(numbers[places == p].max())) for p in np.unique(places)]


def number_groups(fact: str, values: np.ndarray) -> list[Group]:
    """Groups of about equal size by a number of each row; rows where it is 0 form a separate group."""
    found = [(0, 0)] if (values == 0).any() else []
    if (values > 0).any():
        found += ranges(values[values > 0])
    return [
        Group(str(low) if low == high else f"{low}–{high}", _between(fact, low, high)) for low, high in found
    ]


def _between(fact: str, low: int, high: int) -> Callable[[UserRows], np.ndarray | None]:
    def mask(rows: UserRows) -> np.ndarray | None:
        values = rows.facts.get(fact)
        return None if values is None else (values >= low) & (values <= high)

    return mask


def presence_groups(modality: str) -> list[Group]:
    """Rows whose target item has a modality, and rows whose target item does not."""

    def mask(rows: UserRows, wanted: bool) -> np.ndarray | None:
        return rows.present[modality] == wanted if modality in rows.present else None

    return [
        Group(f"with {modality}", lambda rows: mask(rows, True)),
        Group(f"without {modality}", lambda rows: mask(rows, False)),
    ]


def group_results(
    comparison: Comparison, users: UserFiles, dataset: str, metric: str, groups: list[Group]
) -> list[GroupResult]:
    """Results of every group that has rows."""
    results = []
    for group in groups:
        values = {
            label: _values(comparison, users, dataset, label, metric, group) for label in comparison.settings
        }
        sizes = [len(rows) for runs in values.values() for rows in runs]
        if any(sizes):
            means = {
                label: [float(rows.mean()) for rows in runs if len(rows)] for label, runs in values.items()
            }
            results.append(GroupResult(group.label, max(sizes), {k: summarise(v) for k, v in means.items()}))
    return results


def _values(
    comparison: Comparison, users: UserFiles, dataset: str, label: str, metric: str, group: Group
) -> list[np.ndarray]:
    """The metric of the group's rows, for each run of a setting."""
    found = []
    for run in comparison.of(dataset, label):
        rows = users.rows(run)
        if rows is None:
            continue
        mask, values = group.mask(rows), row_values(metric, rows.rank, rows.tied)
        if mask is not None and values is not None:
            found.append(values[mask])
    return found


def _figures(study: Study, grouping: Grouping, results: dict[str, list[GroupResult]]) -> Figures:
    panels = []
    for dataset, found in results.items():
        svg = draw(f"{grouping.title} on {dataset}", _painter(study, grouping, found))
        panels.append(Panel(dataset, svg))
    caption = f"Test {written(study.main_metric)} {grouping.inside}."
    everywhere = [result for found in results.values() for result in found]
    drawn = [label for label in study.drawn if any(result.summaries[label] for result in everywhere)]
    notes = [*study.comparison.bars_note, *study.drawn_note]
    key = legend(study.styles, drawn, lines=grouping.ordered)
    return Figures(grouping.name, caption, panels, key, notes)


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

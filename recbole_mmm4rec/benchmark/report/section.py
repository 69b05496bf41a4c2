"""What a section of the report consists of: text, tables, figures and folded text.

HTML, Markdown and LaTeX are all written from these objects, so that they show the same numbers. ``kind`` of a
block is the name of its macro in ``blocks.html.j2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import ClassVar

BEST, SECOND = "best", "second"

GROUP = "recbole_mmm4rec.report_sections"
"""Entry points of sections of other packages."""

NAMES = (
    *("summary", "comparison", "overview", "significance", "full_modality", "ablations", "transfer"),
    *(
        "convergence",
        "cost",
        "truncation",
        "history_length",
        "popularity",
        "modality",
        "tuning",
        "failures",
        "versions",
    ),
)
"""Sections of this package, in the order of the page."""


def section_names() -> list[str]:
    """Every section that a report can show, those of other packages last; none of them is loaded."""
    return [*NAMES, *(point.name for point in entry_points(group=GROUP))]


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Attributes:
        text: plain text.
        note: small print after it, such as a standard deviation.
        mark: ``best`` (bold), ``second`` (underlined) or empty.
    """

    text: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its heading, the upper heading that neighbours share, and whether it holds numbers."""

    title: str
    group: str = ""
    number: bool = True


@dataclass(frozen=True)
class Row:
    """A row: its heading, its cells, and the upper heading that neighbours share."""

    head: str
    cells: list[Cell]
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: name of its files under ``tables/``.
        caption: what it shows; a sentence.
        corner: heading of the column of row headings.
        notes: how to read it; sentences.
        group_title: what the groups of rows are.
        folded: whether the page hides it until it is asked for.
    """

    kind: ClassVar[str] = "table"

    name: str
    caption: str
    corner: str
    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    group_title: str = "Dataset"
    folded: bool = False

    @property
    def row_groups(self) -> list[tuple[str, list[Row]]]:
        """Consecutive rows of the same group."""
        groups: list[tuple[str, list[Row]]] = []
        for row in self.rows:
            if not groups or groups[-1][0] != row.group:
                groups.append((row.group, []))
            groups[-1][1].append(row)
        return groups

    @property
    def column_groups(self) -> list[tuple[str, int]]:
        """Upper headings with the number of columns under each; empty if no column has one."""
        groups: list[tuple[str, int]] = []
        for column in self.columns:
            if groups and groups[-1][0] == column.group:
                groups[-1] = (column.group, groups[-1][1] + 1)
            else:
                groups.append((column.group, 1))
        return groups if any(group for group, _ in groups) else []


@dataclass(frozen=True)
class Panel:
    """One drawing with its heading; ``svg`` goes into the page as it is, unescaped."""

    title: str
    svg: str


@dataclass(frozen=True)
class Figures:
    """Drawings that share a caption and a legend.

    Attributes:
        legend: (SVG swatch, label) pairs.
        notes: how to read them; sentences.
    """

    kind: ClassVar[str] = "figures"

    name: str
    caption: str
    panels: list[Panel]
    legend: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Folded:
    """A long plain text behind a summary line."""

    kind: ClassVar[str] = "folded"

    summary: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section.

    Attributes:
        title: its heading.
        text: sentences, one paragraph each.
        blocks: tables, figures and folded texts, in order.
        folded: whether the page hides the whole section until it is asked for.
    """

    title: str
    text: list[str]
    blocks: Sequence[Table | Figures | Folded]
    folded: bool = False

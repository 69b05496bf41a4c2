"""What a section of the report is: a heading, sentences, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from recbole_mmm4rec.benchmark.report.table import Table


@dataclass(frozen=True)
class Panel:
    """One drawing with its heading; ``svg`` is safe to put into a page as it is."""

    title: str
    svg: str


@dataclass(frozen=True)
class Figures:
    """Drawings that share a caption and a legend.

    Attributes:
        legend: (svg swatch, label) pairs.
        notes: how to read them; sentences.
    """

    name: str
    caption: str
    panels: list[Panel]
    legend: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Folded:
    """Something long, shown on request: a summary line and plain text."""

    summary: str
    text: str


@dataclass(frozen=True)
class Section:
    """A section.

    Attributes:
        title: its heading.
        text: sentences, each a paragraph.
        blocks: tables, figures and folded texts, in order.
        folded: whether the whole section is shown on request only.
    """

    title: str
    text: list[str]
    blocks: Sequence[Table | Figures | Folded]
    folded: bool = False

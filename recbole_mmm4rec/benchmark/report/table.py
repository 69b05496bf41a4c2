"""A table as data: what HTML, Markdown and LaTeX are written from, so that they cannot differ."""

from dataclasses import dataclass, field

BEST, SECOND = "best", "second"


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: what stands in it, plain.
        note: what follows in small print, such as a deviation.
        mark: ``best`` (bold), ``second`` (underlined) or nothing.
    """

    text: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column's heading, the heading above it that neighbours share, and whether it holds numbers."""

    title: str
    group: str = ""
    number: bool = True


@dataclass(frozen=True)
class Row:
    """A row: its heading, its cells, and the heading above it that neighbours share."""

    head: str
    cells: list[Cell]
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its files.
        caption: what it shows; a sentence.
        corner: heading of the row heads.
        notes: how to read it; sentences.
        group_title: what the groups of rows are.
        folded: shown on request only.
    """

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
        """Neighbouring rows of one group."""
        groups: list[tuple[str, list[Row]]] = []
        for row in self.rows:
            if not groups or groups[-1][0] != row.group:
                groups.append((row.group, []))
            groups[-1][1].append(row)
        return groups

    @property
    def column_groups(self) -> list[tuple[str, int]]:
        """Upper headings with the number of columns beneath; empty where no column has one."""
        groups: list[tuple[str, int]] = []
        for column in self.columns:
            if groups and groups[-1][0] == column.group:
                groups[-1] = (column.group, groups[-1][1] + 1)
            else:
                groups.append((column.group, 1))
        return groups if any(group for group, _ in groups) else []

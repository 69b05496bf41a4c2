"""A table as GitHub's Markdown."""

import re

from recbole_mmm4rec.benchmark.report.table import Cell, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]|~])")


def table_markdown(table: Table) -> str:
    """Caption, table and notes; groups of rows and columns are written out."""
    grouped = any(row.group for row in table.rows)
    heads = [*([table.group_title] if grouped else []), table.corner]
    titles = [
        f"{column.group} / {column.title}" if column.group else column.title for column in table.columns
    ]
    lines = [_line([*map(_text, heads), *map(_text, titles)])]
    lines.append(_line([*("---" for _ in heads), *("--:" if c.number else "---" for c in table.columns)]))
    for row in table.rows:
        stub = [*([row.group] if grouped else []), row.head]
        lines.append(_line([*map(_text, stub), *map(_cell, row.cells)]))
    notes = [_text(note) for note in table.notes]
    return "\n\n".join([_text(table.caption), "\n".join(lines), *notes]) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = _text(cell.text)
    marked = {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(cell.mark, text)
    return f"{marked} {_text(cell.note)}" if cell.note else marked


def _text(text: str) -> str:
    """Text that Markdown takes as it is."""
    plain = " ".join(text.split(" ")).replace("\n", " ")
    return _SPECIAL.sub(r"\\\1", plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))

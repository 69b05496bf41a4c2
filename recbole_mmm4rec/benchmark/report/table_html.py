"""A table as HTML, in a box of its own that scrolls."""

from html import escape

from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table

LONG = 40
"""Texts with more characters may break into lines."""


def table_html(table: Table) -> str:
    """The table with caption and notes; rows of one group share a body."""
    caption = escape(table.caption)
    bodies = "".join(_body(table, group, rows) for group, rows in table.row_groups)
    box = f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">'
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    content = (
        f'{box}<table><thead>{_head(table)}</thead>{bodies}</table></div><div class="notes">{notes}</div>'
    )
    if table.folded:
        return f'<details id="table-{escape(table.name)}"><summary>{caption}</summary>{content}</details>\n'
    return f'<figure id="table-{escape(table.name)}"><figcaption>{caption}</figcaption>{content}</figure>\n'


def _head(table: Table) -> str:
    upper = "".join(
        f'<th scope="colgroup" colspan="{width}"{_class(group)}>{escape(group)}</th>'
        for group, width in table.column_groups
    )
    titles = "".join(f'<th scope="col"{_aligned(c)}>{escape(c.title)}</th>' for c in table.columns)
    corner = f'<th scope="col" class="text">{escape(table.corner)}</th>'
    first = f"<tr><td></td>{upper}</tr>" if upper else ""
    return f"{first}<tr>{corner}{titles}</tr>"


def _class(group: str) -> str:
    return ' class="group"' if group else ""


def _body(table: Table, group: str, rows: list[Row]) -> str:
    wide = len(table.columns) + 1
    text = f'<th scope="rowgroup" colspan="{wide}"><span>{escape(group)}</span></th>'
    head = f'<tr class="group">{text}</tr>' if group else ""
    return f"<tbody>{head}{''.join(_row(table, row) for row in rows)}</tbody>"


def _row(table: Table, row: Row) -> str:
    pairs = zip(table.columns, row.cells, strict=True)
    cells = "".join(f"<td{_aligned(column, cell.text)}>{_cell(cell)}</td>" for column, cell in pairs)
    return f'<tr><th scope="row">{escape(row.head)}</th>{cells}</tr>'


def _aligned(column: Column, text: str = "") -> str:
    if column.number:
        return ""
    return ' class="text long"' if len(text) > LONG else ' class="text"'


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    marked = {"best": f"<b>{text}</b>", "second": f"<u>{text}</u>"}.get(cell.mark, text)
    return f"{marked} <small>{escape(cell.note)}</small>" if cell.note else marked

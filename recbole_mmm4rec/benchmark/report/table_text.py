"""Tables as text: GitHub's Markdown, and LaTeX for the package ``booktabs``."""

import re
from itertools import accumulate

from recbole_mmm4rec.benchmark.report.section import Cell, Row, Table

_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\ge$",
    "–": "--",
    "·": r"$\cdot$",
    "\N{NO-BREAK SPACE}": "~",
    "\n": " ",
}


def table_markdown(table: Table) -> str:
    """Caption, table and notes. Group headings are repeated in every row and column."""
    grouped = any(row.group for row in table.rows)
    heads = [*([table.group_title] if grouped else []), table.corner]
    titles = [
        f"{column.group} / {column.title}" if column.group else column.title for column in table.columns
    ]
    lines = [_markdown_row([*map(_markdown, heads), *map(_markdown, titles)])]
    lines.append(
        _markdown_row([*("---" for _ in heads), *("--:" if c.number else "---" for c in table.columns)])
    )
    for row in table.rows:
        stub = [*([row.group] if grouped else []), row.head]
        lines.append(_markdown_row([*map(_markdown, stub), *map(_markdown_cell, row.cells)]))
    notes = [_markdown(note) for note in table.notes]
    return "\n\n".join([_markdown(table.caption), "\n".join(lines), *notes]) + "\n"


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Cell) -> str:
    text = _markdown(cell.text)
    marked = {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(cell.mark, text)
    return f"{marked} {_markdown(cell.note)}" if cell.note else marked


def _markdown(text: str) -> str:
    """Text with Markdown's special characters escaped."""
    plain = text.replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", plain)


def table_latex(table: Table) -> str:
    """A ``table`` environment; needs ``\\usepackage{booktabs}``."""
    alignment = "l" + "".join("r" if column.number else "l" for column in table.columns)
    titles = " & ".join(_latex(text) for text in [table.corner, *(c.title for c in table.columns)])
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex(' '.join([table.caption, *table.notes]))}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *_latex_column_groups(table),
        titles + r" \\",
        *(line for group, rows in table.row_groups for line in _latex_row_group(table, group, rows)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_column_groups(table: Table) -> list[str]:
    """The shared headings and the rules beneath them."""
    groups = table.column_groups
    if not groups:
        return []
    heads = [rf"\multicolumn{{{width}}}{{c}}{{{_latex(group)}}}" for group, width in groups]
    last = list(accumulate((width for _, width in groups), initial=1))
    rules = [
        rf"\cmidrule(lr){{{end - width + 1}-{end}}}"
        for (group, width), end in zip(groups, last[1:], strict=True)
        if group
    ]
    return [" & ".join(["", *heads]) + r" \\", " ".join(rules)]


def _latex_row_group(table: Table, group: str, rows: list[Row]) -> list[str]:
    head = rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{_latex(group)}}}}} \\"
    body = [" & ".join([_latex(row.head), *map(_latex_cell, row.cells)]) + r" \\" for row in rows]
    return [r"\midrule", *([head] if group else []), *body]


def _latex_cell(cell: Cell) -> str:
    text = _latex(cell.text)
    marked = {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(cell.mark, text)
    return rf"{marked} {{\scriptsize {_latex(cell.note)}}}" if cell.note else marked


def _latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)

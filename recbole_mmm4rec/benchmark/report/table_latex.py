"""A table as LaTeX, for the package ``booktabs``."""

from itertools import accumulate

from recbole_mmm4rec.benchmark.report.table import Cell, Row, Table

_CHARACTERS = {
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


def table_latex(table: Table) -> str:
    """A ``table`` environment; needs ``\\usepackage{booktabs}``."""
    alignment = "l" + "".join("r" if column.number else "l" for column in table.columns)
    titles = _line([table.corner, *(column.title for column in table.columns)])
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_text(' '.join([table.caption, *table.notes]))}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *_upper(table),
        titles,
        *(line for group, rows in table.row_groups for line in _group(table, group, rows)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _upper(table: Table) -> list[str]:
    """The shared headings and the rules beneath them."""
    groups = table.column_groups
    if not groups:
        return []
    heads = [rf"\multicolumn{{{width}}}{{c}}{{{_text(group)}}}" for group, width in groups]
    last = list(accumulate((width for _, width in groups), initial=1))
    rules = [
        rf"\cmidrule(lr){{{end - width + 1}-{end}}}"
        for (group, width), end in zip(groups, last[1:], strict=True)
        if group
    ]
    return [" & ".join(["", *heads]) + r" \\", " ".join(rules)]


def _group(table: Table, group: str, rows: list[Row]) -> list[str]:
    head = rf"\multicolumn{{{len(table.columns) + 1}}}{{l}}{{\textit{{{_text(group)}}}}} \\"
    body = [" & ".join([_text(row.head), *map(_cell, row.cells)]) + r" \\" for row in rows]
    return [r"\midrule", *([head] if group else []), *body]


def _line(texts: list[str]) -> str:
    return " & ".join(map(_text, texts)) + r" \\"


def _cell(cell: Cell) -> str:
    text = _text(cell.text)
    marked = {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}.get(cell.mark, text)
    return rf"{marked} {{\scriptsize {_text(cell.note)}}}" if cell.note else marked


def _text(text: str) -> str:
    """Text that LaTeX takes as it is."""
    return "".join(_CHARACTERS.get(character, character) for character in text)

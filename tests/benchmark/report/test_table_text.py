"""Tables as Markdown and LaTeX, whatever the text in them is."""

import re

from recbole_mmm4rec.benchmark.report.section import BEST, SECOND, Cell, Column, Row, Table
from recbole_mmm4rec.benchmark.report.table_text import table_latex, table_markdown

HOSTILE = "<script>alert('x')</script> & \\input{x} $_^~% | `code` **bold**\nline"
TABLE = Table(
    "results",
    f"Caption {HOSTILE}",
    "Metric",
    [Column("A", "ID"), Column("B_1", "ID"), Column(HOSTILE)],
    [
        Row("R@10", [Cell("0.1000", "±0.0010", BEST), Cell("0.0900", "", SECOND), Cell("–")], "shop"),
        Row("N@10", [Cell("−0.5"), Cell("+3.0\N{NO-BREAK SPACE}%*"), Cell("< 0.001")], "shop"),
    ],
    ["A note."],
)


def test_markdown_has_one_line_per_row() -> None:
    lines = [line for line in table_markdown(TABLE).splitlines() if line.startswith("|")]
    assert len(lines) == 4
    unescaped = [re.findall(r"(?<!\\)\|", line) for line in lines]
    assert {len(bars) for bars in unescaped} == {6}  # dataset, metric and three columns
    assert "| shop | R@10 | **0.1000** ±0.0010 | <u>0.0900</u> | – |" in lines
    assert "<script" not in table_markdown(TABLE)
    assert "ID / B\\_1" in lines[0]


def test_latex_takes_every_character() -> None:
    text = table_latex(TABLE)
    assert r"R@10 & \textbf{0.1000} {\scriptsize $\pm$0.0010} & \underline{0.0900} & -- \\" in text
    assert r"N@10 & $-$0.5 & +3.0~\%* & $<$ 0.001 \\" in text
    assert r"\multicolumn{2}{c}{ID} & \multicolumn{1}{c}{} \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"\textbackslash{}input\{x\} \$\_\textasciicircum{}\textasciitilde{}\% $|$" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    rows = [line for line in text.splitlines() if line.startswith(("R@10", "N@10"))]
    assert all(len(re.findall(r"(?<!\\)&", row)) == 3 for row in rows)

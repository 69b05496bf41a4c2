"""The three forms of a table carry the same text, whatever the text is."""

import re

import pytest

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.table import BEST, SECOND, Cell, Column, Row, Table
from recbole_mmm4rec.benchmark.report.table_html import table_html
from recbole_mmm4rec.benchmark.report.table_latex import table_latex
from recbole_mmm4rec.benchmark.report.table_markdown import table_markdown
from tests.benchmark.report.parsing import parse

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


def test_html_marks_and_escapes() -> None:
    page = parse(table_html(TABLE))
    assert page.balanced
    assert page.cells[:3] == [["", "ID", ""], ["Metric", "A", "B_1", HOSTILE], ["shop"]]
    assert ["R@10", "0.1000 ±0.0010", "0.0900", "–"] in page.cells
    assert "<b>0.1000</b>" in table_html(TABLE)
    assert "<u>0.0900</u>" in table_html(TABLE)
    assert "script" not in page.tags


def test_markdown_is_one_line_a_row() -> None:
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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (formatting.value(None), "–"),
        (formatting.value(0.12345), "0.1235"),
        (formatting.signed(-0.001), "−0.0010"),
        (formatting.percent(0.3178), "+31.8\N{NO-BREAK SPACE}%"),
        (formatting.percent(None), "–"),
        (formatting.percent(-0.0001), "+0.0\N{NO-BREAK SPACE}%"),
        (formatting.deviation(None), ""),
        (formatting.count(12345.6), "12,346"),
        (formatting.amount(1234.5), "1,234"),
        (formatting.amount(12.345), "12.3"),
        (formatting.amount(1.2345), "1.23"),
        (formatting.ratio(2.5), "2.50×"),
        (formatting.probability(0.0004), "<\N{NO-BREAK SPACE}0.001"),
        (formatting.probability(0.04999), "0.050"),
        (formatting.probability(1.0), "1.000"),
        (formatting.effect(-0.1), "−0.100"),
        (formatting.effect(17.737), "+17.7"),
        (formatting.slug("Ä b/c: D"), "b-c-d"),
    ],
)
def test_numbers_as_written(text: str, wanted: str) -> None:
    assert text == wanted

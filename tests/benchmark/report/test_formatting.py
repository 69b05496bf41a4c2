"""Numbers as the tables show them."""

import pytest

from recbole_mmm4rec.benchmark.report import formatting


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

"""Numbers as the tables show them: the same text in HTML, Markdown and LaTeX."""

import re

DASH = "–"
MINUS = "−"
FIXED_SPACE = "\N{NO-BREAK SPACE}"


def value(number: float | None) -> str:
    """A metric: four decimals."""
    return DASH if number is None else f"{number:.4f}".replace("-", MINUS)


def signed(number: float | None) -> str:
    """A difference of metrics: four decimals and a sign."""
    return DASH if number is None else f"{number:+.4f}".replace("-", MINUS)


def deviation(number: float | None) -> str:
    """The small print after a mean; empty for a single value."""
    return "" if number is None else f"±{number:.4f}"


def percent(share: float | None) -> str:
    """A relative change with its sign, one decimal."""
    if share is None:
        return DASH
    rounded = round(100 * share, 1) + 0.0  # no minus sign before zero
    return f"{rounded:+.1f}{FIXED_SPACE}%".replace("-", MINUS)


def ratio(number: float | None) -> str:
    """A ratio such as 2.50×."""
    return DASH if number is None else f"{number:.2f}×"


def count(number: float | None) -> str:
    """A whole number with thousands separators."""
    return DASH if number is None else f"{number:,.0f}"


def average(number: float | None) -> str:
    """A mean of whole numbers: one decimal."""
    return DASH if number is None else f"{number:,.1f}"


def amount(number: float | None) -> str:
    """A quantity with at least three significant figures: 1,234 or 56.7 or 8.90."""
    if number is None:
        return DASH
    decimals = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{decimals}f}".replace("-", MINUS)


def effect(number: float | None) -> str:
    """An effect size, with its sign."""
    if number is None:
        return DASH
    return (f"{number:+.3f}" if abs(number) < 10 else f"{number:+.1f}").replace("-", MINUS)


def interval(low: float, high: float) -> str:
    """A confidence interval of a difference."""
    return f"{signed(low)} to {signed(high)}"


def probability(p: float | None) -> str:
    """A p-value: three decimals, or < 0.001."""
    if p is None:
        return DASH
    return "<" + FIXED_SPACE + "0.001" if p < 0.001 else f"{p:.3f}"


def slug(text: str) -> str:
    """A text as part of a file name or an element's id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

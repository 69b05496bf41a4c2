"""Metadata of Amazon's crawls -> raw text fields and one picture link."""

from typing import Any

from recbole_mmm4rec.prepare.tally import RowCount

SEVERAL_TITLES = "items with several titles: the first is taken"


def text_of(value: Any, joint: str = " ") -> str:
    """One string of a text, a number, or an arbitrarily nested list of them; empty for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return joint.join(part for part in (text_of(element, joint) for element in value) if part)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def title_of(value: Any, where: str, rows: RowCount) -> str:
    """Return the title; of a list of titles the first that is not empty."""
    if not isinstance(value, list):
        return text_of(value)
    titles = [title for title in map(text_of, value) if title.strip()]
    if len(titles) > 1:
        rows.note(SEVERAL_TITLES, where)
    return titles[0] if titles else ""


def first_link(*values: Any) -> str:
    """Return the first link among texts and lists of texts, in that order; empty if there is none."""
    for value in values:
        for link in value if isinstance(value, list) else [value]:
            if isinstance(link, str) and link.strip():
                return link.strip()
    return ""

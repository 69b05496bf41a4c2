"""Three offenders and their number."""

from __future__ import annotations

import pytest

from recbole_mmm4rec.data.offenders import Offenders, named


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], '"a"'),
        (["a", "b", "c"], '"a", "b", "c"'),
        (["a", "b", "c", "d"], '"a", "b", "c" (4 in all)'),
        (range(1_234), '"0", "1", "2" (1,234 in all)'),
    ],
)
def test_shows_three_and_counts_all(names: list[str], text: str) -> None:
    found = named(names)
    assert str(found) == text
    assert bool(found) == bool(text)


def test_collects_in_order() -> None:
    found = Offenders()
    for part in ([1], [], [2, 3], [4]):
        found.add(part)
    assert str(found) == "1, 2, 3 (4 in all)"

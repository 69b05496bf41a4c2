"""Texts for encoders."""

import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import _SPACES, single_spaced
from recbole_mmm4rec.prepare.text_cleaning import _BLANK, PAPER, RELEASED, clean, compose, text_fields


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Salt &amp; pepper", "Salt & pepper"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("5 &amp;quot; pipe", '5 " pipe'),
        ("a < b and b > c", "a < b and b > c"),
        ("<script>alert('<b>')</script>Hat", "Hat"),
        ("<style type='x'>p{} never closed", ""),
        ("one<br/>two\n\n three\u200b\u00a0", "one two three"),
        ("<!-- hidden -->seen", "seen"),
        ("", ""),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_blanks_as_the_pattern_says() -> None:
    """Texts that are printable are not searched letter by letter: the result is the same."""
    letters = "".join(map(chr, range(0x3100))) + "\ufeff\U0001f600\udcff"
    for pattern in (_BLANK, _SPACES):
        for letter in letters:
            for text in (f"a{letter}b", f" {letter} a  b{letter}"):
                assert single_spaced(text, pattern) == pattern.sub(" ", text).strip(), repr(text)


def test_paper_form() -> None:
    fields = {"title": "Drill!", "category": "Tools Power", "brand": ""}
    assert compose(PAPER, "I1", fields) == "Drill! Tools Power."
    assert compose(PAPER, "I1", {"title": " <p> "}) == ""


def test_released_form() -> None:
    fields = {"title": "A &amp; B", "brand": "C", "description": "['x', \"y's\"]"}
    assert compose(RELEASED, "I1", fields) == "Title: A &amp; B ; Brand: C ; Description: ['x', \"y's\"] ; "
    assert compose(RELEASED, "I1", {"brand": "C"}) == "Brand: C ; "
    assert compose(RELEASED, "I1", {}) == "Asin: I1 ; "


def test_template() -> None:
    assert compose("T: {title}. G: {genres}.", "1", {"title": "X <b>", "genres": ""}) == "T: X. G: ."
    assert compose("{Product Name}.", "1", {"Product Name": "X"}) == "X."
    assert text_fields("T: {title} {Product Name}") == ("title", "Product Name")
    with pytest.raises(UserError, match="neither"):
        text_fields("title only")

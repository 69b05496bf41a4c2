"""Drawings that a page can hold, and that people and printers can tell apart."""

from typing import Any

from recbole_mmm4rec.benchmark.report.drawing import (
    COLOURS,
    DASHES,
    MARKERS,
    draw,
    draw_swatch,
    make_styles,
    short,
    with_own_ids,
)
from tests.benchmark.report.parsing import parse


def paint(axes: Any) -> None:
    axes.plot([1, 2], [3, 4], marker="s")
    axes.set_xlabel("Price in $x_1$ & <b>")


def test_a_drawing_is_one_element_with_text_and_a_name() -> None:
    svg = draw('Results of "A" & <B>', paint)
    page = parse(svg)
    assert page.balanced
    assert page.tags[0] == "svg"
    assert "Price in $x_1$ & <b>" in [text.strip() for text in page.text]
    assert ("svg", "aria-label", 'Results of "A" & <B>') in page.attributes
    assert "http" not in svg


def test_drawings_beside_each_other_share_no_ids() -> None:
    ids: list[str] = []
    for prefix in ("a", "b"):
        page = parse(with_own_ids(draw("x", paint), prefix))
        found = {value for _, name, value in page.attributes if name == "id"}
        targets = {value[1:] for _, name, value in page.attributes if name.endswith("href")}
        assert targets <= found
        ids += found
    assert len(ids) == len(set(ids))


def test_equal_drawings_are_equal_text() -> None:
    assert draw("x", paint) == draw("x", paint)


def test_twenty_settings_look_different_without_colour() -> None:
    styles = make_styles([f"setting {number}" for number in range(20)], "setting 3")
    assert len({(style.marker, str(style.dash)) for style in styles.values()}) == 20
    assert styles["setting 3"].colour not in COLOURS
    assert {MARKERS[0], MARKERS[1]} <= {style.marker for style in styles.values()}
    assert len(DASHES) == len({str(dash) for dash in DASHES})


def test_a_swatch_is_not_read_aloud() -> None:
    assert 'aria-hidden="true"' in draw_swatch(make_styles(["A"], None)["A"])


def test_short_numbers() -> None:
    found = [short(value) for value in (0.05, 250, 1500, 15_000, 1_250_000, 3e9)]
    assert found == ["0.05", "250", "1,500", "15k", "1.25M", "3G"]

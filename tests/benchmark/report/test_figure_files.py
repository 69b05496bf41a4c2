"""Figures as files: whole documents that any program reads, with everything the page shows."""

from xml.etree import ElementTree

import pytest

from recbole_mmm4rec.benchmark.report.drawing import draw, legend, make_styles
from recbole_mmm4rec.benchmark.report.figure_files import HEIGHT, TITLE, WIDTH, figure_svg
from recbole_mmm4rec.benchmark.report.section import Figures, Panel
from tests.benchmark.report.test_drawing import paint

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = 'A & <B> "$x_1$"'


def made(panels: int, labels: list[str]) -> Figures:
    styles = make_styles(labels, None)
    drawings = [Panel(f"{HOSTILE} {number}", draw(HOSTILE, paint)) for number in range(panels)]
    return Figures("some", f"What {HOSTILE} shows.", drawings, legend(styles, labels))


def test_a_file_has_drawings_headings_and_legend() -> None:
    labels = [HOSTILE, *(f"setting number {number}" for number in range(30))]
    text = figure_svg(made(4, labels))
    root = ElementTree.fromstring(text)
    found = ["".join(node.itertext()) for node in root.findall(f"{SVG}text")]
    assert found == [*(f"{HOSTILE} {number}" for number in range(4)), *labels]
    assert len(root.findall(f"{SVG}svg")) == 4 + len(labels)
    assert root.findtext(f"{SVG}title") == f"What {HOSTILE} shows."
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    assert "var(" not in text


def test_everything_lies_within_the_document() -> None:
    for panels, across in ((1, 1), (3, 3), (4, 3)):
        root = ElementTree.fromstring(figure_svg(made(panels, ["a", "b" * 300, "c"])))
        *_, width, height = (float(part) for part in root.get("viewBox", "").split())
        assert width == pytest.approx(across * WIDTH)
        for part in root.findall(f"{SVG}svg"):
            x, y, w, h = (float(part.get(name, "nan")) for name in ("x", "y", "width", "height"))
            assert x >= 0
            assert x + w <= width + 1e-6
            assert y + h <= height


def test_no_legend_takes_no_room() -> None:
    root = ElementTree.fromstring(figure_svg(made(1, [])))
    assert float(root.get("viewBox", "").split()[3]) == pytest.approx(HEIGHT + TITLE)

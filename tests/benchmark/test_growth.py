"""Growth is measured for every size that is asked for and ends up in a table and a picture."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recbole_mmm4rec.benchmark import growth
from recbole_mmm4rec.benchmark.growth import Curve, Sweep, crossing

SWEEPS = (
    Sweep("length", "a training step", (2, 4)),
    Sweep("items", "batch (pre-training)", (30, 60), {"stage": "pretrain"}),
)


def test_curves_are_measured_written_and_drawn(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "BASE", {"length": 3, "items": 20, "batch": 4, "hidden_size": 64})
    monkeypatch.setattr(growth, "SCAN_LENGTHS", (2, 3))
    curves = growth.run(in_tmp, SWEEPS, runs=1)
    assert [curve.sizes for curve in curves] == [[2, 4], [30, 60], [2, 3], [2, 3]]
    assert all(milliseconds > 0 for curve in curves for milliseconds in curve.milliseconds)
    assert growth.table(curves).count("grows with the power") == 4
    written = json.loads((in_tmp / "growth.json").read_text())
    assert [record["label"] for record in written] == [curve.label for curve in curves]
    picture = ElementTree.parse(in_tmp / "growth.svg").getroot()
    assert picture.tag.endswith("svg")


def test_a_line_is_a_power() -> None:
    assert Curve("length", "", [1, 10, 100], [5, 50, 5000]).exponent == pytest.approx(2)


def test_the_crossing_names_the_lengths_that_the_linear_form_wins() -> None:
    slow = Curve("length", "quadratic form", [16, 64, 256], [1, 8, 100])
    fast = Curve("length", "linear-time form", [16, 64, 256], [2, 7, 30])
    assert "[64, 256] of the lengths" in crossing(slow, fast)
    assert "[16] of" in crossing(fast, slow)

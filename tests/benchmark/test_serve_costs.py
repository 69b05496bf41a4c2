"""The measurement of a service starts one, asks it and says what it measured."""

import json
from pathlib import Path

import pytest

from recbole_mmm4rec.benchmark import recommend_costs, serve_costs
from recbole_mmm4rec.errors import UserError
from tests.programs import ROOT


def test_all_figures_are_there(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(recommend_costs, "ITEMS", 50)
    monkeypatch.setattr(recommend_costs, "FEATURE_WIDTH", 8)
    table = serve_costs.run(in_tmp, requests=12, clients=(1, 3))
    written = json.loads((in_tmp / "serve.json").read_text())
    assert [each["clients"] for each in written["loads"]] == [0, 1, 3]
    assert all(each["per_second"] > 0 and 0 < each["p50_ms"] <= each["p99_ms"] for each in written["loads"])
    assert "direct calls" in table
    assert "3 at once" in table


def test_a_service_that_does_not_start_says_why(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    reason = r"--bench=serve: none\.pth: no such checkpoint file"
    with pytest.raises(UserError, match=reason), serve_costs._service(Path("none.pth")):
        raise AssertionError

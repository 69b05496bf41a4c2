"""The measurement of recommending runs and says what it measured."""

import json
from pathlib import Path

import pytest

from recbole_mmm4rec.benchmark import recommend_costs


@pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
def test_all_figures_are_there(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend_costs, "ITEMS", 50)
    monkeypatch.setattr(recommend_costs, "FEATURE_WIDTH", 8)
    table = recommend_costs.run(in_tmp, batch=8, requests=3, catalogues=(200, 3000))
    written = json.loads((in_tmp / "recommend.json").read_text())
    growth, processes = written.pop("growth"), written.pop("processes")
    assert set(processes) == {"1", "2"}
    assert min(processes.values()) > 0
    assert all(value > 0 for value in written.values())
    assert written["batch"] == 8
    assert [part["items"] for part in growth] == [200, 3000]
    assert all(part["recall"] >= 0.99 for part in growth)
    assert "batch of 8 users" in table
    assert [file.name for file in in_tmp.iterdir()] == ["recommend.json"]

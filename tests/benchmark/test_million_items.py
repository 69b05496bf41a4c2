"""The measurement of all objectives runs and says what it measured."""

import json
from pathlib import Path

from recbole_mmm4rec.benchmark import million_items


def test_a_small_catalogue(in_tmp: Path) -> None:
    table = million_items.run(in_tmp, items=50, batch=4, steps=1)
    assert table.startswith("50 items, batches of 4, ")
    written = json.loads((in_tmp / "million.json").read_text())
    assert [run["objective"] for run in written["runs"]] == ["in_batch", "sampled", "gbce", "sampled", "full"]
    assert all(run["steps_per_second"] > 0 and run["peak_bytes"] > 0 for run in written["runs"])
    assert table.count(" steps/s, peak ") == 5

"""The pre-training measurement runs and says what it measured."""

import json
from pathlib import Path

from recbole_mmm4rec.benchmark import pretraining_costs


def test_a_small_catalogue(in_tmp: Path) -> None:
    line = pretraining_costs.run(in_tmp, items=50, batch=4, steps=1)
    assert line.startswith("50 items x 768 x 2: ")
    written = json.loads((in_tmp / "pretraining.json").read_text())
    assert written["items"] == 50
    assert written["peak_bytes"] > 0

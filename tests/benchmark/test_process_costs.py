"""One process against two: the measurement runs, counts what is exchanged, and says what it found."""

import json
from pathlib import Path

from recbole_mmm4rec.benchmark import process_costs
from recbole_mmm4rec.benchmark.process_costs import Measured, table


def test_two_processes_exchange_gradients_and_candidates(in_tmp: Path) -> None:
    text = process_costs.run(in_tmp, batch=5, items=30, steps=2, rounds=1)
    assert "two processes: " in text
    one, two = json.loads((in_tmp / "processes.json").read_text())["rounds"]
    assert (one["processes"], one["bytes"], one["exchanges"]) == (1, 0, 0)
    assert two["processes"] == 2
    gradients = 2 * 64 * 768 * 4  # of the adapters, the largest part
    assert gradients < two["bytes"] < 3 * gradients
    assert min(one["wall_ms"], two["wall_ms"], two["cpu_ms"]) > 0


def test_the_table_says_how_much_faster_two_are() -> None:
    costs = [Measured(1, 400.0, 390.0, 0, 0), Measured(2, 200.0, 195.0, 1_234_567, 5)]
    lines = table(costs, 1024).splitlines()
    assert lines[2].split() == ["1", "2,560", "400.0", "390.0", "0", "0"]
    assert lines[3].split() == ["2", "5,120", "200.0", "195.0", "1,234,567", "5"]
    assert lines[4].startswith("two processes: 2.00 times the samples a second by the clock, 2.00 by CPU")

"""Every objective on a million made-up items: ``run_recbole.py --bench=million``.

A small MMM4Rec, two features of 128 half-precision numbers per item. The runs come in the order of the memory
they need, because a process only knows the most it has held so far.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from recbole_mmm4rec.benchmark.clock import peak_memory
from recbole_mmm4rec.benchmark.small_mmm4rec import SMALL_MMM4REC
from recbole_mmm4rec.benchmark.synthetic import step_cost, synthetic_model
from recbole_mmm4rec.files import write_json

ITEMS, FEATURE_WIDTH, LENGTH, BATCH = 1_000_000, 128, 20, 1024
SETTINGS = SMALL_MMM4REC | {"softmax_chunk": 65_536}
RUNS: tuple[dict[str, Any], ...] = (
    {"objective": "in_batch", "item_ids": False},
    {"objective": "sampled", "item_ids": False},
    {"objective": "gbce", "item_ids": False},
    {"objective": "sampled", "item_ids": True},
    {"objective": "full", "item_ids": False},
)
"""With ``item_ids`` every item has two trainable rows, all of which the optimiser writes in every step."""


@dataclass(frozen=True)
class Cost:
    """Of a training step: forward, backward and optimiser.

    Attributes:
        objective: value of the key.
        item_ids: trainable rows per item.
        steps_per_second: by wall time, from the median step.
        peak_bytes: most memory held so far, by the GPU's allocator or by the process.
    """

    objective: str
    item_ids: bool
    steps_per_second: float
    peak_bytes: int

    def line(self) -> str:
        """For a person."""
        rows = ", trainable item rows" if self.item_ids else ""
        peak = self.peak_bytes / 2**20
        return f"{self.objective + rows:<32}{self.steps_per_second:>8.2f} steps/s, peak {peak:>7,.0f} MiB"


def run(folder: Path = Path(), items: int = ITEMS, batch: int = BATCH, steps: int = 3) -> str:
    """Measure, write ``million.json`` into ``folder`` and return a table.

    Args:
        items: N.
        batch: histories per step, of all lengths from 1 to 20.
        steps: measured steps, after one that warms up.
    """
    costs = [_cost(values, items, batch, steps) for values in RUNS]
    facts = {"items": items, "batch": batch, "threads": torch.get_num_threads()}
    write_json(folder / "million.json", facts | {"runs": [asdict(cost) for cost in costs]})
    title = f"{items:,} items, batches of {batch:,}, {facts['threads']} threads"
    return "\n".join([title, *(cost.line() for cost in costs), ""])


def _cost(values: dict[str, Any], items: int, batch: int, steps: int) -> Cost:
    model = synthetic_model(items, LENGTH, FEATURE_WIDTH, **SETTINGS, **values)
    device = next(model.parameters()).device
    seconds = step_cost(model, batch, items, LENGTH, steps)["wall_ms"] / 1e3
    return Cost(values["objective"], values["item_ids"], 1 / seconds, peak_memory(device))

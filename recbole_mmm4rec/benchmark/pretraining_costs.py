"""Pre-training at the size of the paper, on synthetic data: ``run_recbole.py --bench=pretraining``.

447 thousand items with two features of 768 half-precision numbers, the batch's targets as negatives, and no
trainable row per item: only items of the batch are computed, so that the catalogue only costs memory.
"""

from pathlib import Path

from recbole_mmm4rec.benchmark.clock import peak_memory
from recbole_mmm4rec.benchmark.synthetic import step_cost, synthetic_model
from recbole_mmm4rec.files import write_json

ITEMS, FEATURE_WIDTH, LENGTH, BATCH = 447_000, 768, 20, 1024


def run(folder: Path = Path(), items: int = ITEMS, batch: int = BATCH, steps: int = 3) -> str:
    """Measure, write ``pretraining.json`` into ``folder`` and return a summary of one line.

    Args:
        items: N.
        batch: histories per step, of all lengths from 1 to 20.
        steps: measured steps, after one for warm-up.
    """
    model = synthetic_model(items, LENGTH, FEATURE_WIDTH, stage="pretrain", item_ids=False)
    device = next(model.parameters()).device
    cost = step_cost(model, batch, items, LENGTH, steps)
    facts = {"items": items, "batch": batch, **cost, "peak_bytes": peak_memory(device)}
    write_json(folder / "pretraining.json", facts)
    return (
        f"{items:,} items x {FEATURE_WIDTH} x 2: {1e3 * batch / cost['wall_ms']:,.0f} samples/s of length "
        f"1 to {LENGTH}, peak {facts['peak_bytes'] / 2**20:,.0f} MiB\n"
    )

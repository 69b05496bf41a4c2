"""CPU seconds of a training step against the plain twin's, on real batches. Not a test.

``OMP_NUM_THREADS=1 python -m tests.model.measure_twin [dataset]``, where ``atomic_data/<dataset>`` lies.
"""

import sys
from itertools import islice
from statistics import median
from time import process_time
from typing import Any

from recbole import data as recbole_data

from recbole_mmm4rec.config import RunConfig
from recbole_mmm4rec.host.allocator import keep_memory
from recbole_mmm4rec.host.dataset_choice import create_dataset
from recbole_mmm4rec.selection import build_model
from tests.model import plain_twin

STEPS = 3


def seconds(step: Any, batches: list[Any], model: Any) -> float:
    """Median CPU seconds of forward and backward."""
    runs = []
    for batch in batches:
        model.zero_grad()
        started = process_time()
        step(batch).backward()
        runs.append(process_time() - started)
    return median(runs[1:])


def main(dataset: str) -> None:
    """Measure both on the same batches."""
    keep_memory()
    config = RunConfig("MMM4Rec", dataset, config_dict={"fidelity": "reference", "show_progress": False})
    data = create_dataset(config)
    train_data, *_ = recbole_data.data_preparation(config, data)
    model = build_model(config, train_data._dataset).train()
    batches = list(islice(train_data, STEPS + 1))
    ours = seconds(model.calculate_loss, batches, model)
    twin = seconds(lambda batch: plain_twin.loss(model, batch), batches, model)
    line = f"{dataset}: {ours:.2f} s of CPU time a step, plain twin {twin:.2f} s, ratio {twin / ours:.1f}\n"
    sys.stdout.write(line)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["amazon-2018-scientific"]))

"""CPU seconds and peak memory of training and of full ranking against the plain twin's. Not a test.

``OMP_NUM_THREADS=1 python -m tests.model.measure_twin [dataset]``, where ``atomic_data/<dataset>`` lies. Each
of the four measurements has a process of its own; the twin ranks by RecBole's path, the first users alone.
"""

import multiprocessing
import resource
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from statistics import median
from time import process_time
from typing import Any

import torch
from recbole import data as recbole_data
from recbole.evaluator import Collector, Evaluator

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset
from recbole_mmm4rec.quick_start.training_run import build_model, build_trainer
from recbole_mmm4rec.training.allocator import keep_memory
from tests.model import plain_twin

STEPS, TWIN_USERS = 4, 1024


def prepare(dataset: str) -> tuple[Any, Any, Any]:
    """Trainer, training and validation data of the reference model at the paper's sizes."""
    values = {"fidelity": "reference", "show_progress": False, "state": "ERROR"}
    config = RunConfig("MMM4Rec", dataset, config_dict=values)
    train_data, valid_data, _ = recbole_data.data_preparation(config, create_dataset(config))
    return build_trainer(config, build_model(config, train_data._dataset)), train_data, valid_data


def step_seconds(loss: Callable[[Any], Any], model: Any, batches: Iterable[Any]) -> float:
    """Median CPU seconds of forward and backward, the first one left out."""
    runs = []
    for batch in batches:
        model.zero_grad()
        started = process_time()
        loss(batch).backward()
        runs.append(process_time() - started)
    return median(runs[1:])


def training(dataset: str, twin: bool) -> float:
    """Seconds a step."""
    trainer, train_data, _ = prepare(dataset)
    model = trainer.model.train()
    loss = (lambda batch: plain_twin.loss(model, batch)) if twin else model.calculate_loss
    return step_seconds(loss, model, islice(train_data, STEPS))


@torch.no_grad()
def ranking(dataset: str, twin: bool) -> float:
    """Seconds for 1,000 users: ours on all of them, RecBole's path with the twin on the first ones."""
    trainer, train_data, valid_data = prepare(dataset)
    trainer.eval_collector.data_collect(train_data)
    started = process_time()
    if not twin:
        trainer.evaluate(valid_data, load_best_model=False)
        return (process_time() - started) / len(valid_data.dataset) * 1000
    model, collector = trainer.model.eval(), Collector(trainer.config)
    batch = next(iter(valid_data))[0][:TWIN_USERS]
    scores = plain_twin.scores(model, batch)
    scores[:, 0] = -torch.inf
    collector.eval_batch_collect(scores, None, torch.arange(len(batch)), batch["item_id"])
    Evaluator(trainer.config).evaluate(collector.get_data_struct())
    return (process_time() - started) / len(batch) * 1000


def measured(work: Callable[[str, bool], float], dataset: str, twin: bool) -> tuple[float, float]:
    """Seconds, and MiB that the work took at its peak beside the data; run in a new process."""
    keep_memory()
    torch.set_num_threads(1)
    prepare(dataset)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = work(dataset, twin)
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main(dataset: str) -> None:
    """Both twins, training and ranking."""
    context = multiprocessing.get_context("spawn")
    for label, work in (("a training step", training), ("ranking 1,000 users", ranking)):
        results = []
        for twin in (False, True):
            with context.Pool(1) as pool:
                results.append(pool.apply(measured, (work, dataset, twin)))
        (ours, our_peak), (twins, twin_peak) = results
        sys.stdout.write(
            f"{dataset}, {label}: {ours:.2f} s of CPU time and {our_peak:,.0f} MiB, plain twin {twins:.2f} s "
            f"and {twin_peak:,.0f} MiB, ratios {twins / ours:.1f} and {twin_peak / our_peak:.1f}\n"
        )


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["amazon-2018-scientific"]))

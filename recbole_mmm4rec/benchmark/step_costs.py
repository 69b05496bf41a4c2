"""Where the time of a training step goes, on any dataset and model: ``run_recbole.py --bench``."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from recbole.utils import ModelType, init_seed

from recbole_mmm4rec.benchmark.clock import Clock, device_name, peak_memory
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.run_logging import run_logging
from recbole_mmm4rec.quick_start.training_run import build_model, build_trainer

WARM_UP = 2


@dataclass(frozen=True)
class StepCosts:
    """Costs of a training step and of an evaluation.

    Attributes:
        parts: median wall and CPU milliseconds of ``load``, ``forward``, ``backward``, ``optimiser`` (all per
            step) and ``evaluate`` (the whole validation set).
        samples_per_second: training samples by wall time.
        samples_per_cpu_second: the same per second of CPU time of all threads.
        padding_share: share of padding among the positions of full-length histories.
        peak_bytes: peak memory of the GPU or of the process.
    """

    model: str
    dataset: str
    device: str
    threads: int
    steps: int
    batch: int
    parts: dict[str, dict[str, float]]
    samples_per_second: float
    samples_per_cpu_second: float
    padding_share: float
    peak_bytes: int

    def table(self) -> str:
        """The costs as lines of text."""
        rows = [f"{n:<10}{p['wall_ms']:>12.2f}{p['cpu_ms']:>12.2f}" for n, p in self.parts.items()]
        facts = [
            f"{self.model} on {self.dataset}, {self.device}, {self.threads} threads: median of {self.steps} "
            f"steps of {self.batch} samples",
            f"{'part':<10}{'wall ms':>12}{'CPU ms':>12}",
            *rows,
            f"{self.samples_per_second:,.0f} samples/s, {self.samples_per_cpu_second:,.0f} per CPU second",
            f"{self.padding_share:.0%} of the positions are padding, peak {self.peak_bytes / 2**20:,.0f} MiB",
        ]
        return "\n".join(facts)


def run(
    model: str | None = None,
    dataset: str | None = None,
    config_file_list: list[str] | None = None,
    config_dict: dict[str, Any] | None = None,
    origin: str = "config_dict",
    steps: int = 10,
    output: str = "bench.json",
) -> StepCosts:
    """Measure and write ``output``; arguments as :func:`recbole_mmm4rec.quick_start.run`.

    Args:
        steps: measured training steps, after two for warm-up.
        output: JSON file, replaced atomically.
    """
    config = RunConfig(model, dataset, config_file_list, config_dict, origin)
    if config["MODEL_TYPE"] != ModelType.SEQUENTIAL:
        raise UserError(f"--bench measures sequential models; {config['model']} is not one")
    init_seed(config["seed"], config["reproducibility"])
    with run_logging(config) as logger:
        data = create_dataset(config)
        train_data, valid_data, _ = prepare_loaders(config, data)
        trainer = build_trainer(config, build_model(config, train_data._dataset))
        costs = measure(trainer, train_data, valid_data, steps)
        logger.info("\n" + costs.table())
    write_json(Path(output), asdict(costs))
    return costs


def measure(trainer: Any, train_data: Any, valid_data: Any, steps: int) -> StepCosts:
    """Costs of ``steps`` training steps and one evaluation."""
    clock, lengths, samples = Clock(trainer.device), [], 0
    for batch in training_steps(trainer, train_data, clock, steps):
        lengths.append(batch[trainer.config["ITEM_LIST_LENGTH_FIELD"]])
        samples += len(batch[trainer.config["ITEM_ID_FIELD"]])  # a history can serve several
    if valid_data:
        trainer.eval_collector.data_collect(train_data)
        with clock.part("evaluate"):
            trainer.evaluate(valid_data, load_best_model=False)
    return _summary(trainer, clock, torch.cat(lengths), round(samples / (WARM_UP + steps)), steps)


def training_steps(trainer: Any, train_data: Any, clock: Clock, steps: int) -> Iterator[Any]:
    """Take some steps and yield their batches, those of two steps that warm up too.

    The clock has the parts ``load``, ``forward``, ``backward`` and ``optimiser`` of the ``steps`` afterwards.
    """
    trainer.model.train()
    for number, batch in enumerate(islice(_loaded(train_data, clock), WARM_UP + steps)):
        if number == WARM_UP:
            clock.restart()
        _step(trainer, batch, clock)
        yield batch


def _loaded(train_data: Any, clock: Clock) -> Iterator[Any]:
    """An endless stream of batches; the time to make each is measured."""
    while True:
        iterator = iter(train_data)
        for _ in range(len(train_data)):
            with clock.part("load"):
                batch = next(iterator)
            yield batch


def _step(trainer: Any, batch: Any, clock: Clock) -> None:
    """One training step, as the trainer does it."""
    precision = getattr(trainer, "_autocast", nullcontext)  # trainers of RecBole have none
    with clock.part("forward"), precision():
        loss = trainer.model.calculate_loss(batch.to(trainer.device))
    with clock.part("backward"):
        torch.stack(loss).sum().backward() if isinstance(loss, tuple) else loss.backward()
    with clock.part("optimiser"):
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()


def _summary(trainer: Any, clock: Clock, lengths: torch.Tensor, batch: int, steps: int) -> StepCosts:
    parts, config = clock.medians(), trainer.config
    step = {kind: sum(parts[n][kind] for n in parts if n != "evaluate") for kind in ("wall_ms", "cpu_ms")}
    return StepCosts(
        model=config["model"],
        dataset=config["dataset"],
        device=device_name(trainer.device),
        threads=torch.get_num_threads(),
        steps=steps,
        batch=batch,
        parts=parts,
        samples_per_second=1e3 * batch / step["wall_ms"],
        samples_per_cpu_second=1e3 * batch / step["cpu_ms"],
        padding_share=1 - lengths.float().mean().item() / config["MAX_ITEM_LIST_LENGTH"],
        peak_bytes=peak_memory(trainer.device),
    )

"""What an epoch costs that is trained at all positions at once: ``run_recbole.py --bench=positions``.

Small models on any dataset, by both values of the key (the paper's time branch of MMM4Rec by one, the other
is refused); both have the same number of targets, batches and steps. Tokens are counted over an epoch, its
CPU time is that of some of its steps times their number.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from recbole.utils import init_seed

from recbole_mmm4rec.benchmark.clock import Clock
from recbole_mmm4rec.benchmark.small_mmm4rec import SMALL_MMM4REC, WIDTH
from recbole_mmm4rec.benchmark.step_costs import training_steps
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.model.positions import ALL, LAST, POSITIONS
from recbole_mmm4rec.nn.time_aware import CAUSAL, PAPER
from recbole_mmm4rec.quick_start.training_run import build_model, build_trainer

STEPS = 20
COMMON = {"hidden_size": WIDTH, "train_batch_size": 512, "accumulation_steps": 1, "state": "WARNING"}


@dataclass(frozen=True)
class Candidate:
    """What is measured under one name.

    Attributes:
        model: its class.
        values: of keys, beside :data:`COMMON`.
        positions: values of the key that it is measured with.
    """

    model: str
    values: dict[str, Any] = field(default_factory=dict)
    positions: tuple[str, ...] = POSITIONS


CANDIDATES: dict[str, Candidate] = {
    "SASRecT": Candidate("SASRecT", {"inner_size": 256}),
    "UniSRec": Candidate("UniSRec", {"inner_size": 256}),
    "Mamba4RecT": Candidate("Mamba4RecT"),
    "MMM4Rec, no times": Candidate("MMM4Rec", SMALL_MMM4REC | {"use_time": False}),
    "MMM4Rec, causal": Candidate("MMM4Rec", SMALL_MMM4REC | {"time_branch": CAUSAL}),
    "MMM4Rec, paper": Candidate("MMM4Rec", SMALL_MMM4REC | {"time_branch": PAPER}, (LAST,)),
}


@dataclass(frozen=True)
class EpochCost:
    """Of an epoch of training.

    Attributes:
        name: of the candidate.
        positions: value of the key.
        targets: in an epoch.
        tokens: positions that the encoder computes in it, pads within the length groups included.
        cpu_seconds: of all threads; the mean of the measured steps times the steps of an epoch.
    """

    name: str
    positions: str
    targets: int
    tokens: int
    cpu_seconds: float


def run(call: dict[str, Any], folder: Path = Path(), steps: int = STEPS) -> str:
    """Measure, write ``positions.json`` into ``folder`` and return a table.

    Args:
        call: arguments of :func:`recbole_mmm4rec.quick_start.run`; without a model all :data:`CANDIDATES`.
        folder: where the file goes.
        steps: measured steps, after two that warm up.
    """
    wanted = call["model"]
    chosen = {name: one for name, one in CANDIDATES.items() if wanted in (None, one.model)}
    costs = [
        _cost(call, name, candidate, positions, steps)
        for name, candidate in (chosen or {wanted: Candidate(wanted)}).items()
        for positions in candidate.positions
    ]
    facts = {"dataset": call["dataset"], "threads": torch.get_num_threads(), "steps": steps}
    write_json(folder / "positions.json", facts | {"epochs": [asdict(cost) for cost in costs]})
    return table(facts, costs)


def table(facts: dict[str, Any], costs: list[EpochCost]) -> str:
    """Costs by ``last`` and, where it was measured, ``all``, a line for each name."""
    title = f"{facts['dataset']}, {facts['threads']} threads: an epoch of {costs[0].targets:,} targets"
    lines = [
        title,
        f"{'':<18}{'tokens last':>14}{'all':>12}{'ratio':>8}{'CPU s last':>14}{'all':>8}{'ratio':>8}",
    ]
    found = {(cost.name, cost.positions): cost for cost in costs}
    for name in dict.fromkeys(cost.name for cost in costs):
        last, every = found[name, LAST], found.get((name, ALL))
        if every is None:
            lines.append(f"{name:<18}{last.tokens:>14,}{'-':>12}{'':>8}{last.cpu_seconds:>14.1f}{'-':>8}")
            continue
        tokens = f"{last.tokens:>14,}{every.tokens:>12,}{last.tokens / every.tokens:>8.1f}"
        seconds = f"{last.cpu_seconds:>14.1f}{every.cpu_seconds:>8.1f}"
        lines.append(f"{name:<18}{tokens}{seconds}{last.cpu_seconds / every.cpu_seconds:>8.1f}")
    return "\n".join([*lines, ""])


def _cost(call: dict[str, Any], name: str, candidate: Candidate, positions: str, steps: int) -> EpochCost:
    settings = COMMON | candidate.values | (call["config_dict"] or {}) | {"positions": positions}
    config = RunConfig(candidate.model, call["dataset"], call["config_file_list"], settings, call["origin"])
    init_seed(config["seed"], config["reproducibility"])
    train_data = prepare_loaders(config, create_dataset(config))[0]
    trainer = build_trainer(config, build_model(config, train_data._dataset))
    return EpochCost(
        name=name,
        positions=positions,
        targets=train_data.sample_size,
        tokens=sum(_tokens(batch, trainer.model) for batch in train_data),
        cpu_seconds=_seconds(trainer, train_data, steps) * len(train_data),
    )


def _tokens(batch: Any, model: Any) -> int:
    return sum(len(rows) * width for rows, width in model.buckets(batch[model.ITEM_SEQ_LEN]))


def _seconds(trainer: Any, train_data: Any, steps: int) -> float:
    """Mean CPU seconds of a training step, its batch included."""
    clock = Clock(trainer.device)
    for _ in training_steps(trainer, train_data, clock, steps):
        pass
    return sum(mean(spent) for spent in clock.cpu.values())

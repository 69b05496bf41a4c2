"""Training targets per CPU second beside other libraries: ``run_recbole.py --bench=peers --dataset=D``.

Small models of this package, RecBole's own classes, and SASRec of RecTools and of RePlay where the Python
that ``--peers_python`` names (this one, if none) has them. Every model has a process of its own with one
thread, the same interactions, width, layers and about as many targets a step; all keep freed memory and flush
denormals.
A target is an item that a model learns to predict from its past, so that it does not matter how a library
cuts histories into samples. Ranking is measured too: a whole validation here, the first users by RecBole's
path.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.evaluator import Collector, Evaluator
from recbole.utils import init_seed

from recbole_mmm4rec.benchmark.clock import Clock, peak_memory
from recbole_mmm4rec.benchmark.small_mmm4rec import SMALL_MMM4REC, WIDTH
from recbole_mmm4rec.benchmark.step_costs import training_steps
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.quick_start.training_run import build_model, build_trainer
from recbole_mmm4rec.training.process import prepare_process

STEPS, RANKED = 20, 2048
INNER, HEADS, LAYERS, DROPOUT, BATCH = 256, 2, 2, 0.5, 1024
COMMON = {"hidden_size": WIDTH, "train_batch_size": BATCH, "accumulation_steps": 1, "state": "WARNING"}
ATTENTIVE = {"inner_size": INNER, "n_heads": HEADS, "n_layers": LAYERS}
ORIGINAL = {"recbole_code": "original"}
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "MMM4Rec": ("MMM4Rec", SMALL_MMM4REC),
    "SASRec": ("SASRec", ATTENTIVE),
    "SASRec, RecBole's own": ("SASRec", ATTENTIVE | ORIGINAL),
    "GRU4Rec": ("GRU4Rec", {}),
    "GRU4Rec, RecBole's own": ("GRU4Rec", ORIGINAL),
    "BERT4Rec": ("BERT4Rec", ATTENTIVE),
    "BERT4Rec, RecBole's own": ("BERT4Rec", ATTENTIVE | ORIGINAL),
    "SASRecT": ("SASRecT", ATTENTIVE),
    "SASRecT, positions: all": ("SASRecT", ATTENTIVE | {"positions": "all"}),
    "UniSRec": ("UniSRec", ATTENTIVE),
}
PEERS = {"SASRec of RecTools": "rectools_sasrec", "SASRec of RePlay": "replay_sasrec"}
KEEPS_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}


@dataclass(frozen=True)
class PeerCost:
    """Of a model's training and ranking.

    Attributes:
        targets_per_second: training targets per CPU second.
        peak_bytes: most memory beside the data.
        rank_seconds: CPU seconds to rank 1,000 users among all items; None where it was not measured.
    """

    name: str
    targets_per_second: float
    peak_bytes: int
    rank_seconds: float | None = None


def run(call: dict[str, Any], peers_python: str | None, folder: Path = Path(), steps: int = STEPS) -> str:
    """Measure, write ``peers.json`` into ``folder`` after every model, and return a table.

    Args:
        call: arguments of :func:`recbole_mmm4rec.quick_start.run`; with a model only those of that name.
        peers_python: interpreter in whose environment the other libraries are.
        folder: where the file goes.
        steps: measured steps, after two that warm up.
    """
    chosen = {name: made for name, made in OURS.items() if call["model"] in (None, made[0])}
    costs: list[PeerCost] = []
    for name, made in chosen.items():
        costs.append(_apart(partial(_ours, call, name, *made, steps)))
        _write(folder, call["dataset"], costs)
    others = list(_peers(call, peers_python or sys.executable)) if call["model"] in (None, "SASRec") else []
    costs += [peer for peer in others if isinstance(peer, PeerCost)]
    _write(folder, call["dataset"], costs)
    missing = [f"{peer}\n" for peer in others if isinstance(peer, str)]
    return table(call["dataset"], costs) + "".join(missing)


def _write(folder: Path, dataset: str, costs: list[PeerCost]) -> None:
    write_json(folder / "peers.json", {"dataset": dataset, "costs": [asdict(cost) for cost in costs]})


def table(dataset: str, costs: list[PeerCost]) -> str:
    """Costs as lines of text."""
    lines = [
        f"{dataset}, {WIDTH} wide, one thread, CPU seconds",
        f"{'':<26}{'targets/s':>12}{'peak MiB':>12}{'ranking 1,000 users, s':>26}",
    ]
    for cost in costs:
        ranking = "" if cost.rank_seconds is None else f"{cost.rank_seconds:.3f}"
        lines.append(
            f"{cost.name:<26}{cost.targets_per_second:>12,.0f}{cost.peak_bytes / 2**20:>12,.0f}{ranking:>26}"
        )
    return "\n".join([*lines, ""])


def _apart(work: Callable[[], PeerCost]) -> PeerCost:
    """The result of some work in a process of its own, whose peak memory is the work's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work)


def _ours(call: dict[str, Any], name: str, model: str, values: dict[str, Any], steps: int) -> PeerCost:
    prepare_process()
    torch.set_num_threads(1)
    trainer, train, valid = _prepared(call, model, values)
    before, clock, targets = peak_memory(torch.device("cpu")), Clock(trainer.device), []
    for batch in training_steps(trainer, train, clock, steps):
        targets.append(len(batch[trainer.config["ITEM_ID_FIELD"]]))
    seconds = sum(mean(spent) for spent in clock.cpu.values())
    peak = peak_memory(trainer.device) - before
    original = trainer.config["recbole_code"] == "original"
    ranking = _recbole_ranking if original else _our_ranking
    return PeerCost(name, mean(targets[-steps:]) / seconds, peak, 1000 * ranking(trainer, train, valid))


def _prepared(call: dict[str, Any], model: str, values: dict[str, Any]) -> tuple[Any, Any, Any]:
    settings = COMMON | values | (call["config_dict"] or {})
    config = RunConfig(model, call["dataset"], call["config_file_list"], settings, call["origin"])
    init_seed(config["seed"], config["reproducibility"])
    train, valid, _ = prepare_loaders(config, create_dataset(config))
    return build_trainer(config, build_model(config, train._dataset)), train, valid


def _our_ranking(trainer: Any, train: Any, valid: Any) -> float:
    """CPU seconds a user."""
    trainer.eval_collector.data_collect(train)
    started = process_time()
    trainer.evaluate(valid, load_best_model=False)
    return (process_time() - started) / len(valid.dataset)


@torch.no_grad()
def _recbole_ranking(trainer: Any, train: Any, valid: Any) -> float:  # noqa: ARG001
    """The same by RecBole's full-sort path, for the first users."""
    model, collector = trainer.model.eval(), Collector(trainer.config)
    batch = next(iter(valid))[0][:RANKED]
    started = process_time()
    scores = model.full_sort_predict(batch).view(len(batch), -1)
    scores[:, 0] = -torch.inf
    targets = batch[trainer.config["ITEM_ID_FIELD"]]
    collector.eval_batch_collect(scores, None, torch.arange(len(batch)), targets)
    Evaluator(trainer.config).evaluate(collector.get_data_struct())
    return (process_time() - started) / len(batch)


def _peers(call: dict[str, Any], python: str) -> Iterator[PeerCost | str]:
    """Costs of the other libraries, or a line for one that is not there."""
    trainer, train, _ = _prepared(call, "SASRec", ATTENTIVE)
    with TemporaryDirectory() as folder:
        data = Path(folder, "train.csv")
        training_rows(train._dataset.inter_feat).to_csv(data, index=False)
        asked = {"data": str(data), "length": trainer.config["MAX_ITEM_LIST_LENGTH"], "width": WIDTH}
        asked |= {"inner": INNER, "heads": HEADS, "layers": LAYERS, "dropout": DROPOUT}
        asked |= {"targets_per_batch": BATCH}
        for name, program in PEERS.items():
            script = Path(__file__).parent / "peers" / f"{program}.py"
            yield _peer(name, [python, str(script), json.dumps(asked)])


def training_rows(windows: Any) -> pd.DataFrame:
    """Users and items of all interactions that training reads, by user and time.

    Args:
        windows: the :class:`~recbole_mmm4rec.data.windows.Windows` of a training set.
    """
    flat, layout = windows.flat, windows.layout
    read = np.unique(np.concatenate([windows.target, flat.first_rows()[windows.target]]))
    columns = {"user": flat.columns[layout.user], "item": flat.columns[layout.item]}
    return pd.DataFrame({name: column.numpy()[read] for name, column in columns.items()})


def _peer(name: str, command: list[str]) -> PeerCost | str:
    environment, hint = os.environ | KEEPS_MEMORY | {"OMP_NUM_THREADS": "1"}, "names a Python that has it"
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError as error:
        return f"{name}: left out ({error}); --peers_python=PATH {hint}"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return f"{name}: left out ({reason}); --peers_python=PATH {hint}"
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return PeerCost(name, found["targets"] / found["seconds"], found["peak"])

"""Whole trainings by two processes against the same by one: losses of the epochs, and the weights.

The last batch of an epoch has one row, which is fewer than there are processes. Without dropout.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.shared_loader import SharedLoader
from recbole_mmm4rec.quick_start.training_run import select
from tests.conftest import SMALL, write_tiny
from tests.pair import in_two_processes
from tests.tiny import assert_equal

COMMON: dict[str, Any] = {
    "epochs": 3,
    "accumulation_steps": 2,
    "weight_decay": 0.1,
    "clip_grad_norm": {"max_norm": 0.1},
    "ema_decay": 0.9,
    "save_features": False,
    "eval_step": 2,
    "eval_interval_steps": 2,
    "state": "ERROR",
}
DIN = {"epochs": 1, "ema_decay": 0.0, "eval_interval_steps": 0, "train_batch_size": 35}
NO_DROPOUT = {"dropout_prob": 0.0}
OURS = SMALL | NO_DROPOUT | COMMON
THEIRS = {"hidden_size": 16, "embedding_size": 16, "show_progress": False} | NO_DROPOUT | COMMON
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "pre-training": ("MMM4Rec", OURS | {"stage": "pretrain"}),
    "fine-tuning": ("MMM4Rec", OURS),
    "in batch": ("MMM4Rec", OURS | {"objective": "in_batch", "in_batch_log_q": True, "label_smoothing": 0.1}),
    "sampled": ("MMM4Rec", OURS | {"objective": "sampled", "num_negatives": 7, "shared_negatives": False}),
    "bf16": ("MMM4Rec", OURS | {"stage": "pretrain", "precision": "bf16"}),
    "RecBole's": ("GRU4Rec", THEIRS),
    "not shuffled": ("MMM4Rec", OURS | {"stage": "pretrain", "shuffle": False}),
}


def batch_size(samples: int) -> int:
    """An odd one, with which one sample is left for the last batch of an epoch."""
    return next(size for size in range(35, samples, 2) if samples % size == 1)


def settings(model: str, values: dict[str, Any], rank: int, processes: int) -> RunConfig:
    """Of one of several processes."""
    config = RunConfig(model, "tiny", config_dict=values)
    if processes > 1:
        config["single_spec"], config["world_size"], config["local_rank"] = False, processes, rank
    return config


def train(name: str, rank: int = 0, processes: int = 1) -> dict[str, Any]:
    """Losses and weights of a run; its checkpoints go to a folder of their own."""
    model, values = RUNS[name]
    config = settings(model, values | {"checkpoint_dir": f"saved/{name}-{processes}"}, rank, processes)
    samples = prepare_loaders(config, create_dataset(config))[0].sample_size
    config["train_batch_size"] = batch_size(samples)
    train_data, valid_data, _ = prepare_loaders(config, create_dataset(config))
    chosen = select(config, train_data, valid_data)
    trainer = chosen.trainer
    return {
        "batches": [len(batch) for batch in train_data],
        "losses": trainer.record.losses,
        "steps": trainer.record.steps,
        "score": chosen.score,
        "points": [(point.steps, point.valid["ndcg@10"]) for point in trainer.record.within],
        "weights": trainer.model.state_dict(),
        "averages": trainer.average._values,
    }


def interrupted(rank: int, folder: str, *epochs: int) -> dict[str, Any]:
    """The state of a run with dropout and sampled negatives that goes on where it was stopped, if it was."""
    values = RUNS["sampled"][1] | {"dropout_prob": 0.3, "checkpoint_dir": f"saved/{folder}"}
    for last in epochs:
        config = settings("MMM4Rec", values | {"epochs": last}, rank, 2)
        states = list(Path("saved", folder).glob("*.last.pth"))
        dist.barrier()  # before one of them writes the next
        config["resume"] = str(states[0]) if states else None
        train_data, valid_data, _ = prepare_loaders(config, create_dataset(config))
        trainer = select(config, train_data, valid_data).trainer
    return {"losses": trainer.record.losses, "weights": trainer.model.state_dict()}


def by_recbole(rank: int) -> dict[str, Any]:
    """Weights of a sequential model after an epoch of RecBole's own trainer; norms of batches differ."""
    config = settings("DIN", COMMON | DIN, rank, 2)
    train_data, valid_data, _ = prepare_loaders(config, create_dataset(config))
    trainer = select(config, train_data, valid_data).trainer
    assert isinstance(train_data, SharedLoader)
    weights = {name: value.detach() for name, value in trainer.model.named_parameters()}
    return {"trainer": type(trainer).__name__, "weights": weights}


def work(folder: Path, rank: int) -> dict[str, Any]:
    os.chdir(folder)
    ends = {name: train(name, rank, 2) for name in RUNS}
    ends |= {"whole": interrupted(rank, "whole", 4), "in parts": interrupted(rank, "parts", 1, 3, 4)}
    return ends | {"RecBole's trainer": by_recbole(rank)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    folder, before = tmp_path_factory.mktemp("two"), Path.cwd()
    write_tiny(folder)
    os.chdir(folder)
    yield in_two_processes(partial(work, folder), folder)
    os.chdir(before)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_as_one(two: list[Any], name: str) -> None:
    one, *both = train(name), *(end[name] for end in two)
    tolerance = 2e-2 if name == "bf16" else 1e-5
    assert one["batches"][-1] == 1
    assert [sum(rows) for rows in zip(*(end["batches"] for end in both), strict=True)] == [
        rows if rows > 1 else 2 for rows in one["batches"]
    ]
    for end in both:
        assert end["steps"] == one["steps"]
        assert end["losses"] == pytest.approx(one["losses"], rel=tolerance)
        assert end["score"] == pytest.approx(one["score"], abs=1e-3)
        assert [steps for steps, _ in end["points"]] == [steps for steps, _ in one["points"]]
        assert dict(end["points"]) == pytest.approx(dict(one["points"]), abs=1e-2)
        for kind in ("weights", "averages"):
            assert end[kind].keys() == one[kind].keys()
            for entry, value in one[kind].items():
                found = end[kind][entry]
                if name == "bf16":  # Adam makes a whole step of a rounding error near 0
                    assert float((found - value).abs().mean()) < tolerance, entry
                    continue
                torch.testing.assert_close(found, value, rtol=tolerance, atol=tolerance, msg=entry)
    assert both[0]["losses"] == both[1]["losses"]
    for entry, value in both[0]["weights"].items():
        assert torch.equal(both[1]["weights"][entry], value)


def test_two_processes_go_on_bit_for_bit(two: list[Any]) -> None:
    for end in two:
        assert_equal(end["in parts"], end["whole"])
    assert_equal(two[0]["whole"], two[1]["whole"])


def test_recboles_own_trainer_takes_the_shares(two: list[Any]) -> None:
    first, second = (end["RecBole's trainer"] for end in two)
    assert first["trainer"] == "Trainer"
    assert_equal(first["weights"], second["weights"])

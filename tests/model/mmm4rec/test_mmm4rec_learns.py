"""Each part of MMM4Rec does something: on the demo shop it is known which input decides each purchase."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole import data as recbole_data
from recbole.utils import init_seed

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset
from recbole_mmm4rec.prepare import ensure_dataset
from recbole_mmm4rec.quick_start.training_run import build_model, build_trainer
from recbole_mmm4rec.training.allocator import keep_memory

SMALL = {
    "hidden_size": 64,
    "inner_size": 128,
    "head_dim": 16,
    "d_state": 16,
    "item_ids": False,
    "dropout_prob": 0.1,
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "accumulation_steps": 1,
    "train_batch_size": 128,
    "show_progress": False,
    "state": "ERROR",
}
CALENDAR: dict[str, Any] = {"dataset": "calendar", "epochs": 3, "train_batch_size": 64}
"""Only those who buy by the calendar, a third of the shop: the time branch learns more, and sooner."""

TASTE: dict[str, Any] = {"dataset": "taste", "epochs": 2, "use_time": False}
"""Only the others, who buy what they read or see."""

PARTS = {"calendar": ("time",), "taste": ("text", "picture")}
"""Groups of users of the shop by the dataset that is made of them."""

Trained = tuple[dict[str, float], Any, Any]
"""Recall@10 by group of users, the trained model and a test batch."""


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Trained]]:
    """``train(**changes)``; equal calls share one training."""
    folder, before = tmp_path_factory.mktemp("shop"), (Path.cwd(), torch.get_num_threads())
    os.chdir(folder)
    keep_memory()
    torch.set_num_threads(1)  # the same numbers on any number of cores
    ensure_dataset("demo-shop", folder)
    for name in PARTS:
        _write_part(folder, name)

    @cache
    def run(dataset: str, **changes: Any) -> Trained:
        if "modalities" in changes:
            changes["modalities"] = [changes["modalities"]]
        paths = {"data_path": str(folder), "checkpoint_dir": str(folder / "saved")}
        values = SMALL | {"co_occurrence": 0} | paths | changes  # counts know tastes without any feature
        config = RunConfig("MMM4Rec", dataset, config_dict=values)
        init_seed(config["seed"], True)
        read = create_dataset(config)
        train_data, valid_data, test_data = recbole_data.data_preparation(config, read)
        model = build_model(config, train_data._dataset)
        trainer = build_trainer(config, model)
        trainer.fit(train_data, valid_data)
        trainer.evaluate(test_data)
        batch, *_ = next(iter(test_data))
        return _by_group(folder, read, test_data, trainer.last_ranks), model, batch

    yield run
    os.chdir(before[0])
    torch.set_num_threads(before[1])


def _groups(folder: Path) -> dict[str, str]:
    """The group of every user of the shop."""
    lines = (folder / "demo-shop" / "demo-shop.user").read_text().splitlines()[1:]
    return dict(line.split("\t") for line in lines)


def _write_part(folder: Path, name: str) -> None:
    """A dataset of :data:`PARTS`: the shop with the interactions of some of its groups."""
    group_of, place = _groups(folder), folder / name
    place.mkdir()
    for path in (folder / "demo-shop").glob("demo-shop.*"):
        (place / path.name.replace("demo-shop", name)).symlink_to(path)
    inter = place / f"{name}.inter"
    header, *rows = inter.read_text().splitlines()
    user = header.split("\t").index("user_id:token")
    kept = [row for row in rows if group_of[row.split("\t")[user]] in PARTS[name]]
    inter.unlink()
    inter.write_text("\n".join([header, *kept]) + "\n")


def _by_group(folder: Path, dataset: Any, test_data: Any, ranks: np.ndarray) -> dict[str, float]:
    group_of = _groups(folder)
    users = [dataset.id2token("user_id", int(u)) for u in test_data._dataset.inter_feat["user_id"]]
    groups = np.array([group_of[user] for user in users])
    return {str(name): float((ranks[groups == name] < 10).mean()) for name in np.unique(groups)}


def test_the_time_branch_decides_for_those_who_buy_by_the_calendar(train: Callable[..., Trained]) -> None:
    with_time, without = (train(**CALENDAR, use_time=use)[0]["time"] for use in (True, False))
    assert with_time > without + 0.2, (with_time, without)


def test_the_time_branch_stays_alive(train: Callable[..., Trained]) -> None:
    _, model, batch = train(**CALENDAR, use_time=True)
    model.eval()
    model.calculate_loss(batch).backward()
    largest = {
        name: p.grad.abs().max().item()
        for name, p in model.named_parameters()
        if name.startswith("time_layers") and p.grad is not None
    }
    model.zero_grad()
    assert min(largest.values()) > 1e-7, largest

    users, times = model.user_vectors(batch), batch["timestamp_list"]
    last = batch["item_length"] - 1
    later = times.clone()
    later[torch.arange(len(later)), last] += 30 * 86_400
    batch.interaction["timestamp_list"] = later
    moved = (model.user_vectors(batch) - users).norm(dim=1) / users.norm(dim=1)
    batch.interaction["timestamp_list"] = times
    assert moved.median() > 0.01


@pytest.mark.parametrize(("kept", "lost"), [("text", "picture"), ("image", "text")])
def test_taste_is_lost_with_its_modality(train: Callable[..., Trained], kept: str, lost: str) -> None:
    both, _, _ = train(**TASTE)
    alone, _, _ = train(**TASTE, modalities=kept)
    assert alone[lost] < 0.5 * both[lost], (alone, both)

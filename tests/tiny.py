"""A tiny dataset, model and run for the tests of training."""

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pytest
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import init_seed
from torch import Tensor, nn

from recbole_mmm4rec.model.interface import TrainingHooks
from recbole_mmm4rec.training.trainer import MultiModalTrainer

USERS, ITEMS = 61, 40


class TinyModel(TrainingHooks, SequentialRecommender):
    """Mean of item vectors, a linear layer, cross-entropy over all items; draws from every generator."""

    item_bound: tuple[str, ...] = ("items.",)
    kill_at: ClassVar[int | None] = None  # batch at which the process kills itself
    spoil_at: ClassVar[int | None] = None  # batch whose loss is not a number

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        width, layers = config["width"] or 8, config["layers"] or 1
        self.items = nn.Embedding(self.n_items, width)
        self.stack = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.dropout = nn.Dropout(config["drop"] or 0.0)
        self.noise = config["noise"] or 0.0
        self.signature = {"history_length": self.max_seq_length, "width": width}
        self.batches = 0

    def transfer_signature(self) -> dict[str, Any]:
        return self.signature

    def user_vectors(self, interaction: Any) -> Tensor:
        rows = interaction[self.ITEM_SEQ]
        mask = (rows > 0).unsqueeze(-1)
        users = (self.items(rows) * mask).sum(1) / mask.sum(1)
        for layer in self.stack:
            users = users + self.dropout(layer(users))
        return users

    def item_matrix(self) -> Tensor | None:
        return self.items.weight

    def full_sort_predict(self, interaction: Any) -> Tensor:
        return self.user_vectors(interaction) @ self.items.weight.T

    def predict(self, interaction: Any) -> Tensor:
        return (self.user_vectors(interaction) * self.items(interaction[self.ITEM_ID])).sum(-1)

    def calculate_loss(self, interaction: Any) -> Tensor:
        if self.batches == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        scale = 1.0 + self.noise * (np.random.rand() + random.random())
        loss = scale * nn.functional.cross_entropy(
            self.full_sort_predict(interaction), interaction[self.POS_ITEM_ID]
        )
        self.batches += 1
        return loss * float("nan") if self.batches - 1 == self.spoil_at else loss


class OpaqueModel(TinyModel):
    """The same scores, which the trainer has to ask for as a whole."""

    def item_matrix(self) -> Tensor | None:
        return None


def write_dataset(folder: Path, seed: int = 0, items: int = ITEMS, name: str = "tiny") -> None:
    """Random walks over the items; the next item tends to follow the last one."""
    rng = np.random.default_rng(seed)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(USERS):
        item = int(rng.integers(items))
        for step in range(int(rng.integers(5, 12))):
            lines.append(f"u{user}\ti{item:03d}\t{1000 * user + step}")
            item = (item + 1 + int(rng.integers(3))) % items
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}.inter").write_text("\n".join(lines) + "\n")


def make_config(folder: Path, model: type = TinyModel, name: str = "tiny", **values: Any) -> Config:
    settings = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": "user",
            "mode": values.pop("mode", "full"),
        },
        "MAX_ITEM_LIST_LENGTH": 6,
        "train_neg_sample_args": None,
        "loss_type": "CE",
        "metrics": ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"],
        "topk": [3, 10],
        "valid_metric": "NDCG@10",
        "metric_decimal_place": 12,
        "train_batch_size": 32,
        "eval_batch_size": 16,
        "learning_rate": 0.01,
        "learner": "nadam",
        "epochs": 3,
        "use_gpu": False,
        "show_progress": False,
    }
    with mock.patch.object(sys, "argv", ["tiny"]):
        return Config(model=model, dataset=name, config_dict=settings | values)


def make_run(config: Config, model: type | None = None) -> tuple[MultiModalTrainer, Any, Any, Any]:
    """Trainer, training, validation and test loader."""
    init_seed(config["seed"], True)
    loaders = data_preparation(config, create_dataset(config))
    return MultiModalTrainer(config, (model or config.model_class)(config, loaders[0].dataset)), *loaders


def weights(trainer: MultiModalTrainer) -> dict[str, Tensor]:
    """A copy of the model's parameters as they are now."""
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def assert_equal(one: Any, other: Any) -> None:
    """Bit for bit, through nested dicts and lists."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        assert one == other


def scripted(trainer: MultiModalTrainer, monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> list[float]:
    """Let the validation of epoch e return ``scores[e]``."""
    real = MultiModalTrainer.evaluate

    def evaluate(self, *args, **kwargs):
        return real(self, *args, **kwargs) | {"ndcg@10": scores[self.record.epochs - 1]}

    monkeypatch.setattr(MultiModalTrainer, "evaluate", evaluate)


def train_to_the_end(folder: Path, out: Path, kill_at: int | None, resume: Path | None) -> None:
    """Train in a process of its own, possibly to death; save weights, optimiser and results at the end."""
    os.chdir(folder)
    torch.set_num_threads(1)
    TinyModel.kill_at = kill_at
    values = {"epochs": 6, "drop": 0.3, "noise": 0.1, "accumulation_steps": 2, "patience": 3}
    trainer, train, valid, test = make_run(make_config(folder, **values))
    if resume:
        trainer.resume_checkpoint(str(resume))
    best = trainer.fit(train, valid)
    last = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    result = trainer.evaluate(test)
    end = {"best": best, "last": last, "test": result, "optimizer": trainer.optimizer.state_dict()}
    record = trainer.record.to_dict() | {"seconds": None, "cpu_seconds": None}
    torch.save(end | {"record": record, "ranks": trainer.last_ranks.tolist()}, out)

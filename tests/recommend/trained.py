"""Checkpoints of tiny runs, trained once per session: two modalities, gaps in both, times in seconds."""

import os
import sys
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import numpy as np
import torch

from recbole_mmm4rec.data.features import write_features
from recbole_mmm4rec.files import working_in
from recbole_mmm4rec.host.catalogue import model_keys
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.model import MODELS
from recbole_mmm4rec.quick_start.training_run import select
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.recommender import Recommender
from tests.conftest import ITEMS, SMALL, write_interactions

WIDTHS = {"text": 12, "image": 8}
OWN: dict[str, dict[str, Any]] = {
    "VQRec": {"code_dim": 4, "code_cap": 8},
    "HM4SR": {"category_field": "kind", "load_col": {"inter": ["user_id", "item_id", "timestamp"]}},
}
IN_SIZES = ("hidden_size", "inner_size", "head_dim", "d_state", "n_groups")


@lru_cache(maxsize=1)
def home() -> Path:
    """A folder with the dataset, outside any test's own."""
    folder = Path(mkdtemp(prefix="recommend-"))
    data = folder / "atomic_data" / "tiny"
    write_interactions(data, "tiny", times=True)
    generator = np.random.default_rng(1)
    for name, count in (("text", ITEMS - 1), ("image", 40)):
        tokens = [f"i{item}" for item in range(count)]
        matrix = generator.normal(size=(count, WIDTHS[name])).astype(np.float32)
        write_features(data / f"tiny.{name}.parquet", tokens, matrix, {"encoder": "random"})
    kinds = "\n".join(f"i{item}\tkind{item % 3}" for item in range(ITEMS))
    (data / "tiny.item").write_text(f"item_id:token\tkind:token\n{kinds}\n")
    return folder


def settings_of(model: str, **changes: Any) -> dict[str, Any]:
    values = {key: value for key, value in SMALL.items() if key not in IN_SIZES or key in model_keys(model)}
    values |= {
        "metrics": ["Recall"],
        "topk": [5, 50],
        "valid_metric": "Recall@5",
        "epochs": 1,
        "use_gpu": False,
    }
    if model not in MODELS:
        values.pop("accumulation_steps")
    own = dict(OWN.get(model, {}))
    if model == "HM4SR":
        own["load_col"] = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "kind"]}
    return values | own | changes


@lru_cache(maxsize=64)
def trained(
    model: str, changes: tuple[tuple[str, Any], ...] = (), dataset: str = "tiny"
) -> tuple[Path, Any, Any]:
    """Checkpoint, trainer (its last test evaluation done) and test loader of a run."""
    with working_in(home()), mock.patch.object(sys, "argv", ["test"]):
        torch.manual_seed(0)
        own = {"checkpoint_dir": mkdtemp(dir=".", prefix=f"{model}-")}  # a second may see two runs
        config = RunConfig(model, dataset, config_dict=settings_of(model, **dict(changes), **own))
        loaders = prepare_loaders(config, create_dataset(config))
        trainer = select(config, *loaders[:2]).trainer
        trainer.evaluate(loaders[2], load_best_model=True)
        return Path(os.path.abspath(trainer.saved_model_file)), trainer, loaders[2]


def recommender(model: str, **changes: Any) -> Recommender:
    """From the checkpoint alone."""
    return load(trained(model, tuple(changes.items()))[0], "cpu")


def histories_of(loader: Any) -> tuple[dict[str, list[str]], dict[str, list[float]], list[str]]:
    """Items and times of every test history by user, and the targets, in the loader's order; own ids."""
    dataset = loader._dataset
    rows = dataset.inter_feat
    users = dataset.id2token("user_id", rows["user_id"].numpy())
    targets = dataset.id2token("item_id", rows["item_id"].numpy()).tolist()
    items, times = {}, {}
    for user, end, length in zip(users.tolist(), rows.target.tolist(), rows.history.tolist(), strict=True):
        numbers = rows.flat.columns["item_id"][end - length : end].numpy()
        items[user] = dataset.id2token("item_id", numbers).tolist()
        times[user] = rows.flat.clock[end - length : end].tolist()
    return items, times, targets

"""Synthetic items and histories of any size, to measure costs that do not depend on the values."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mmm4rec.benchmark.clock import Clock
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start.training_run import build_model
from recbole_mmm4rec.training.checkpoint import describe, write_checkpoint
from recbole_mmm4rec.training.item_contents import pack_items


def synthetic_model(items: int, length: int, feature_width: int = 64, **values: Any) -> Any:
    """An MMM4Rec on random items, in training mode; arguments as for :func:`synthetic_run`."""
    return synthetic_run(items, length, feature_width, **values)[2].train()


def synthetic_run(items: int, length: int, feature_width: int = 64, **values: Any) -> tuple[Any, Any, Any]:
    """Configuration, items and MMM4Rec on ``items`` random items of both modalities, in half precision.

    Args:
        items: N.
        length: L.
        feature_width: width of both modalities' features.
        values: further keys of the configuration.
    """
    values = {"MAX_ITEM_LIST_LENGTH": length, "state": "WARNING", "dropout_prob": 0.0} | values
    present = torch.arange(items + 1) > 0
    features = {
        name: ModalityFeatures(name, _half_precision(present, feature_width), present)
        for name in ("text", "image")
    }
    dataset = SimpleNamespace(num=lambda _: items + 1, features=features, has_time=True)
    config = RunConfig("MMM4Rec", "ml-100k", config_dict=values)
    return config, dataset, build_model(config, dataset)


def synthetic_checkpoint(path: Path, items: int, length: int, feature_width: int, **values: Any) -> None:
    """Write the checkpoint of such a model, as it was before training, for a recommender."""
    config, dataset, model = synthetic_run(items, length, feature_width, **values)
    tokens = ["[PAD]", *(f"item-{number}" for number in range(1, items + 1))]
    content = describe(config, model, tokens) | pack_items(dataset, model)
    write_checkpoint(path, content | {"state_dict": model.state_dict(), "optimizer": None, "training": None})


def _half_precision(present: Tensor, width: int) -> Tensor:
    """(N + 1, width) float16 without a larger temporary."""
    matrix = torch.empty(len(present), width, dtype=torch.float16).normal_()
    matrix[~present] = 0
    return matrix


def synthetic_batch(model: Any, batch: int, items: int, length: int, prefixes: bool = False) -> Any:
    """Histories with a purchase about every day, on the model's device.

    Args:
        model: made by :func:`synthetic_model`.
        batch: B.
        items: N.
        length: L.
        prefixes: lengths from 1 to L, as the prefixes of a long history have; else all L.
    """
    lengths = torch.randint(1, length + 1, (batch,)) if prefixes else torch.full((batch,), length)
    valid = torch.arange(length) < lengths.unsqueeze(1)
    times = 1.5e9 + torch.randint(0, 200_000, (batch, length)).cumsum(1).double()
    fields = {
        model.ITEM_SEQ: torch.randint(1, items + 1, (batch, length)) * valid,
        model.ITEM_SEQ_LEN: lengths,
        model.POS_ITEM_ID: torch.randint(1, items + 1, (batch,)),
        model.TIME_SEQ: times * valid,
    }
    return Interaction(fields).to(next(model.parameters()).device)


def step_cost(model: Any, batch: int, items: int, length: int, steps: int) -> dict[str, float]:
    """Median milliseconds of a training step (forward, backward and optimiser): ``wall_ms`` and ``cpu_ms``.

    Args:
        model, batch, items, length: as for :func:`synthetic_batch`; histories of all lengths.
        steps: measured steps, after one that warms up.
    """
    clock = Clock(next(model.parameters()).device)
    optimiser = torch.optim.NAdam(model.parameters())
    for number in range(steps + 1):
        if number == 1:
            clock.restart()
        interaction = synthetic_batch(model, batch, items, length, prefixes=True)
        with clock.part("step"):
            model.calculate_loss(interaction).backward()
            optimiser.step()
            optimiser.zero_grad()
    return clock.medians()["step"]

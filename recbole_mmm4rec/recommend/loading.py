"""A recommender from a checkpoint file, and from nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.rebuild import Blueprint
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.training.checkpoint import OURS, Checkpoint, read_checkpoint
from recbole_mmm4rec.training.item_contents import unpack_features


def load(path: str | os.PathLike[str], device: str | torch.device | None = None) -> Recommender:
    """Bring a trained model back as a recommender; the dataset's files are not needed.

    Nothing is printed or written, and nothing in the file can run code.

    Args:
        path: a model's checkpoint, which a training run names at its end.
        device: where to compute; None: a GPU where there is one.

    Raises:
        UserError: no such file; not a checkpoint of a sequential model; one that holds no features
            (``save_features: False``) of a model that needs them; weights that fit nothing.
    """
    checkpoint = _read(path)
    place = _device(device)
    items = _items(checkpoint)
    settings, name = checkpoint.config, str(checkpoint.path)
    blueprint = Blueprint(name, settings, checkpoint.state_dict, len(checkpoint.item_tokens), place)
    field = str(settings.get("ITEM_ID_FIELD", "item_id"))
    catalogue = Catalogue(
        checkpoint.item_tokens,
        unpack_features(name, len(checkpoint.item_tokens), items.get("features", {})),
        bool(items.get("has_time", False)),
        field,
        {f"{field}{settings.get('LIST_SUFFIX', '_list')}": blueprint.max_length},
    )
    return Recommender(blueprint, catalogue, blueprint.model(catalogue))


def _read(path: str | os.PathLike[str]) -> Checkpoint:
    if Path(path).is_dir():
        raise UserError(f"{path}: a folder, not a checkpoint file")
    try:
        checkpoint = read_checkpoint(path)
    except UserError as error:
        raise UserError(_better_reason(path) or str(error)) from None
    if checkpoint.kind != OURS:
        raise UserError(f"{path}: weights of the released MMM4Rec code, which say nothing of its items")
    if len(checkpoint.item_tokens) <= PAD + 1:
        raise UserError(f"{path}: the checkpoint names no items")
    return checkpoint


def _better_reason(path: str | os.PathLike[str]) -> str | None:
    """One line about a plain checkpoint of one of RecBole's own trainers, None about any other file."""
    try:
        raw: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        model = raw["config"]["model"]
    except Exception:  # the reader of a file that is not a checkpoint fails in many ways
        return None
    return (
        f"{path}: a checkpoint of {model} by a trainer of RecBole's, without ids of items; only sequential "
        "models that learn by the plain trainer can recommend from a history"
    )


def _items(checkpoint: Checkpoint) -> dict[str, Any]:
    """The part about items; a file from before there was one serves models that read ids only."""
    path, items = checkpoint.path, checkpoint.items
    if items is None and path.endswith(".last.pth"):
        raise UserError(f"{path}: a run continues from it; the model is the file beside it without '.last'")
    if items is not None and not _is_readable(items):
        raise UserError(f"{path}: damaged checkpoint, its part about items is unreadable")
    items = items or {"features": {}}
    unneeded = getattr(find_model(str(checkpoint.config.get("model"))), "loss_features", ())
    trained = [name for name in checkpoint.signature.get("features", {}) if name not in unneeded]
    absent = [name for name in trained if name not in items["features"]]
    if absent:
        raise UserError(
            f"{path}: holds no features of its items ({', '.join(absent)}): the run was told "
            "save_features: False, or is older than that key"
        )
    return items


def _is_readable(items: dict[str, Any]) -> bool:
    return isinstance(items.get("features"), dict) and isinstance(items.get("has_time", False), bool)


def _device(name: str | torch.device | None) -> torch.device:
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise UserError(f"device: {name!r} cannot be used ({reason})") from None
    return device

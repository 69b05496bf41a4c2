"""A recommender from a checkpoint file, and from nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.devices import usable_device
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.export.model_folder import is_model_folder, read_model
from recbole_mmm4rec.recommend.rebuild import Blueprint, ModelSettings
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.training.checkpoint import OURS, Checkpoint, read_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import using
from recbole_mmm4rec.training.item_contents import unpack_features


def load(
    path: str | os.PathLike[str],
    device: str | torch.device | None = None,
    index: str | os.PathLike[str] | None = None,
) -> Recommender:
    """Bring a trained model back as a recommender; the dataset's files are not needed.

    Nothing is printed or written, and nothing in the file can run code.

    Args:
        path: a model's checkpoint, which a training run names at its end, or a folder that
            ``export --format=safetensors`` wrote.
        device: where to compute; None: a GPU where there is one.
        index: ``ann``: recommend by an approximate index, made now (extra ``ann``); a file name: the same
            from that file, which is written where there is none. None: by the product with all items.

    Raises:
        UserError: no such file; not a checkpoint of a sequential model; one that holds no features
            (``save_features: False``) of a model that needs them; weights that fit nothing.
    """
    place = usable_device(device, "device")
    return recommender_of(read_recommendable(path), place, index)


def recommender_of(
    checkpoint: Checkpoint, place: torch.device, index: str | os.PathLike[str] | None = None
) -> Recommender:
    """A recommender from what :func:`read_recommendable` read; arguments and errors as for :func:`load`."""
    packed = (checkpoint.items or {}).get("features", {})
    where = None if index is None else os.fspath(index)
    with using(checkpoint.path, "settings"):
        blueprint = _blueprint(checkpoint, place)
        catalogue = _catalogue(checkpoint, blueprint, packed)
        return Recommender(blueprint, catalogue, blueprint.model(catalogue), where)


def check_recommendable(path: str | os.PathLike[str]) -> None:
    """Refuse what :func:`load` refuses, by the parts of a checkpoint: no weight and no feature is read.

    Raises:
        UserError: as for :func:`load`, but for weights that do not fit.
    """
    checkpoint = read_recommendable(path, mapped=True)
    with using(checkpoint.path, "settings"):
        blueprint = _blueprint(checkpoint, torch.device("cpu"))
        if not blueprint.is_ours:  # only building one of RecBole's tells whether it asks for more than items
            blueprint.built(_catalogue(checkpoint, blueprint, {}))


def read_catalogue(path: str | os.PathLike[str]) -> tuple[Catalogue, ModelSettings]:
    """The items of a checkpoint, without features, and its settings; errors as for :func:`load`."""
    checkpoint = read_recommendable(path, mapped=True)
    with using(checkpoint.path, "settings"):
        blueprint = _blueprint(checkpoint, torch.device("cpu"))
        return _catalogue(checkpoint, blueprint, {}), blueprint.settings


def _blueprint(checkpoint: Checkpoint, place: torch.device) -> Blueprint:
    settings, items = checkpoint.config, len(checkpoint.item_tokens)
    return Blueprint(str(checkpoint.path), settings, checkpoint.state_dict, items, place)


def _catalogue(checkpoint: Checkpoint, blueprint: Blueprint, packed: dict[str, Any]) -> Catalogue:
    settings, tokens = checkpoint.config, checkpoint.item_tokens
    field = str(settings.get("ITEM_ID_FIELD", "item_id"))
    return Catalogue(
        tokens,
        unpack_features(str(checkpoint.path), len(tokens), packed),
        bool((checkpoint.items or {}).get("has_time", False)),
        field,
        {f"{field}{settings.get('LIST_SUFFIX', '_list')}": blueprint.max_length},
    )


def read_recommendable(path: str | os.PathLike[str], mapped: bool = False) -> Checkpoint:
    """A checkpoint with all that recommending needs, its part ``items`` included.

    Args:
        path: of a model's checkpoint, or of a folder that ``export`` wrote.
        mapped: tensors of a checkpoint file are mapped and not read.

    Raises:
        UserError: as for :func:`load`.
    """
    checkpoint = _read(path, mapped)
    checkpoint.items = _items(checkpoint)
    return checkpoint


def _read(path: str | os.PathLike[str], mapped: bool) -> Checkpoint:
    folder = Path(path)
    if is_model_folder(folder):
        checkpoint = read_model(folder)
    elif folder.is_dir():
        raise UserError(
            f"{path}: a folder, not a checkpoint file; nor did export --format=safetensors write it"
        )
    else:
        checkpoint = _read_file(path, mapped)
    if len(checkpoint.item_tokens) <= PAD + 1:
        raise UserError(f"{path}: the checkpoint names no items")
    return checkpoint


def _read_file(path: str | os.PathLike[str], mapped: bool) -> Checkpoint:
    try:
        checkpoint = read_checkpoint(path, mapped)
    except UserError as error:
        raise UserError(_better_reason(path) or str(error)) from None
    if checkpoint.kind != OURS:
        raise UserError(f"{path}: weights of the released MMM4Rec code, which do not name their items")
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

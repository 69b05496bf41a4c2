"""The part of a checkpoint that lets it recommend without the dataset's files: what the items consist of.

============  =========================================================================================
``has_time``  whether the interactions have times
``features``  by modality: ``vectors`` (n, D_m) float16 or float32 of the n items that have it, in row order;
              ``present`` (N + 1,) bool; ``metadata``, a JSON object as a string
============  =========================================================================================
"""

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import hooks_of

KEY = "items"
"""Name of the part in a checkpoint."""


def pack_items(dataset: Any, model: Any, with_features: bool = True) -> dict[str, Any]:
    """What a checkpoint keeps of a dataset's items: only the modalities that the model's scores need.

    Args:
        dataset: RecBole's or ours; one without features and times has none.
        model: says which features only its losses read.
        with_features: False where ``save_features`` is off.
    """
    unneeded = () if _learns_from_losses(model) else hooks_of(model).loss_features
    loaded = (getattr(dataset, "features", None) or {}) if with_features else {}
    features = {name: _pack(f) for name, f in loaded.items() if name not in unneeded}
    return {KEY: {"has_time": bool(getattr(dataset, "has_time", False)), "features": features}}


def _learns_from_losses(model: Any) -> bool:
    """Whether layers for those features are part of the model, which is then built with them again."""
    return bool(getattr(model, "pretraining", False))


def _pack(features: Any) -> dict[str, Any]:
    present = features.present.cpu().clone()
    present[PAD] = False
    return {
        "vectors": features.matrix.cpu()[present],
        "present": present,
        "metadata": json.dumps(dict(features.metadata or {}), default=str),
    }


def unpack_features(path: str, items: int, packed: Mapping[str, Any]) -> dict[str, ModalityFeatures]:
    """The inverse for ``items`` = N + 1 rows.

    Raises:
        UserError: what a damaged or forged file holds: other types, other shapes, NaN or infinity.
    """
    try:
        return {str(name): _unpack(str(name), items, part) for name, part in packed.items()}
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: damaged checkpoint, its items' features are unreadable ({error})") from None


def _unpack(name: str, items: int, part: Mapping[str, Any]) -> ModalityFeatures:
    vectors, present, metadata = part["vectors"], part["present"], json.loads(part["metadata"])
    if present.dtype != torch.bool or present.shape != (items,) or bool(present[PAD]):
        raise ValueError(f"{name}: presence of {tuple(present.shape)} items")
    if vectors.dtype not in (torch.float16, torch.float32) or vectors.ndim != 2:
        raise ValueError(f"{name}: {vectors.dtype} {tuple(vectors.shape)}")
    if len(vectors) != int(present.sum()) or not isinstance(metadata, dict):
        raise ValueError(f"{name}: {len(vectors)} vectors")
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError(f"{name}: not finite")
    return ModalityFeatures(name, _placed(vectors, present), present, metadata)


def _placed(vectors: Tensor, present: Tensor) -> Tensor:
    matrix = vectors.new_zeros(len(present), vectors.shape[1])
    matrix[present] = vectors
    return matrix

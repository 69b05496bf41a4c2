"""Plain data: what may go into a checkpoint, so that it loads with ``weights_only=True``."""

import os
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

DERIVED_KEYS = frozenset(
    {
        "MODEL_TYPE",
        "MODEL_INPUT_TYPE",
        "eval_type",
        "device",
        "single_spec",
        "valid_metric_bigger",
        "valid_neg_sample_args",
        "test_neg_sample_args",
        "local_rank",
        "world_size",
        "offset",
        "nproc",
        "ip",
        "port",
        "resume",
        "pretrained",
    }
)
"""Keys that RecBole computes from others, or that belong to one run and not to the model."""


def plain_config(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a run as JSON-able values from which the same run can be set up again.

    Args:
        settings: ``config.final_config_dict``, or what JSON made of it, whose ``data_path`` is the dataset's
            folder (the result holds the folder above, as the user gives it); or an earlier result.
    """
    plain = {key: json_able(value) for key, value in settings.items() if key not in DERIVED_KEYS}
    folder = str(plain.get("data_path") or "")
    if (
        "MODEL_TYPE" in settings
        and folder
        and os.path.basename(os.path.normpath(folder)) == plain.get("dataset")
    ):
        plain["data_path"] = os.path.dirname(os.path.normpath(folder))
    negatives = plain.get("train_neg_sample_args")
    if isinstance(negatives, dict) and negatives.get("distribution") == "none":
        plain["train_neg_sample_args"] = None
    return plain


def portable_config(settings: dict[str, Any]) -> dict[str, Any]:
    """:func:`plain_config` for a file to share: it does not describe the machine that it was made on.

    A path in the working folder becomes relative to it; a key with any other absolute path is left out.
    ``pretrained`` stays, because what a resumed run froze follows from it.
    """
    kept = plain_config(settings) | {key: settings[key] for key in {"pretrained"} & settings.keys()}
    relative = {key: _relative(value) for key, value in kept.items()}
    return {key: value for key, value in relative.items() if value is not _ELSEWHERE}


_ELSEWHERE = object()


def _relative(value: Any) -> Any:
    """A value without absolute paths."""
    if isinstance(value, dict):
        parts = {key: _relative(item) for key, item in value.items()}
        return {key: item for key, item in parts.items() if item is not _ELSEWHERE}
    if isinstance(value, list):
        return [item for item in map(_relative, value) if item is not _ELSEWHERE]
    if not isinstance(value, str) or len(Path(value).parts) < 2 or not Path(value).expanduser().is_absolute():
        return value
    path, here = Path(value), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else _ELSEWHERE


def json_able(value: Any) -> Any:
    """A value as JSON has it; enumerations and other objects become their text."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {str(key): json_able(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [json_able(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def pack(value: Any) -> Any:
    """Tensors, numbers and containers as they are; numpy and scipy arrays as marked tensors."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"numpy": torch.from_numpy(np.ascontiguousarray(value))}
    if sp.issparse(value):
        matrix = value.tocoo()
        parts = [torch.from_numpy(part) for part in (matrix.data, matrix.row, matrix.col)]
        return {"scipy": value.format, "parts": parts, "shape": list(matrix.shape)}
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(pack(item) for item in value)
    return value


def unpack(value: Any) -> Any:
    """The inverse of :func:`pack`."""
    if isinstance(value, dict):
        if set(value) == {"numpy"}:
            return value["numpy"].numpy()
        if set(value) == {"scipy", "parts", "shape"}:
            data, row, column = (part.numpy() for part in value["parts"])
            return sp.coo_matrix((data, (row, column)), shape=value["shape"]).asformat(value["scipy"])
        return {key: unpack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(unpack(item) for item in value)
    return value

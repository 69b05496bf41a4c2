"""A model as a folder in the layout of the Hugging Face Hub, and back.

=====================  ==================================================================================
``model.safetensors``  weights (``state.<entry>``), features (``features.<modality>.vectors``, ``.present``)
``config.json``        the run's settings, the model's signature, and facts about items and features
``items.json``         ids of items in the order of the table's rows, the pad's first
``README.md``          the model card, see :mod:`recbole_mmm4rec.recommend.export.model_card`
=====================  ==================================================================================

Nothing in it can run code, and nothing names the machine that it was made on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import replacing, write_json
from recbole_mmm4rec.recommend.export.model_card import write_card
from recbole_mmm4rec.training.checkpoint import FORMAT, OURS, Checkpoint
from recbole_mmm4rec.training.checkpoint_parts import check_numbers
from recbole_mmm4rec.training.plain import portable_config

WEIGHTS, CONFIG, ITEMS = "model.safetensors", "config.json", "items.json"
_STATE, _FEATURES = "state.", "features."


def write_model(checkpoint: Checkpoint, folder: Path, license_name: str) -> None:
    """Write the four files.

    Args:
        checkpoint: of a model that recommends.
        folder: exists.
        license_name: for the model card.
    """
    items = checkpoint.items or {"has_time": False, "features": {}}
    tensors = {f"{_STATE}{name}": value for name, value in checkpoint.state_dict.items()}
    for name, part in items["features"].items():
        for entry in ("vectors", "present"):
            tensors[f"{_FEATURES}{name}.{entry}"] = part[entry]
    with replacing(folder / WEIGHTS) as temporary:
        # one memory per tensor is asked for; entries of a state may share one
        save_file({name: value.clone().contiguous() for name, value in tensors.items()}, temporary)
    settings = portable_config(checkpoint.config) | {"pretrained": None}
    facts = {
        "format": FORMAT,
        "library_name": "recbole-mmm4rec",
        "model": checkpoint.config.get("model"),
        "has_time": bool(items.get("has_time", False)),
        "features": {n: portable_config(json.loads(p["metadata"])) for n, p in items["features"].items()},
        "signature": checkpoint.signature,
        "settings": settings,
    }
    write_json(folder / CONFIG, facts)
    write_json(folder / ITEMS, checkpoint.item_tokens)
    write_card(folder, checkpoint, license_name)


def is_model_folder(path: Path) -> bool:
    """Whether a folder looks like one of these."""
    return path.is_dir() and (path / WEIGHTS).is_file() and (path / CONFIG).is_file()


def read_model(folder: Path) -> Checkpoint:
    """The inverse of :func:`write_model`, without optimiser and training state.

    Raises:
        UserError: a file that is missing, damaged, or of another format; weights that are not numbers.
    """
    facts = _json(folder / CONFIG, dict)
    if facts.get("format") != FORMAT:
        raise UserError(f"{folder / CONFIG}: not a model of this package ({FORMAT!r} is not its format)")
    tokens = _json(folder / ITEMS, list)
    if not all(isinstance(token, str) for token in tokens):
        raise UserError(f"{folder / ITEMS}: ids of items are texts")
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{folder / WEIGHTS}: not a file of safetensors, or a damaged one ({error})"
        ) from None
    try:
        items = {"has_time": bool(facts["has_time"]), "features": _features(facts["features"], tensors)}
        state = {name[len(_STATE) :]: value for name, value in tensors.items() if name.startswith(_STATE)}
        settings, signature = dict(facts["settings"]), dict(facts["signature"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / CONFIG}: part {error} is missing or unreadable") from None
    check_numbers(str(folder / WEIGHTS), state)
    return Checkpoint(str(folder), OURS, state, settings, signature, tokens, items=items)


def _features(metadata: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {
        name: {
            "vectors": tensors[f"{_FEATURES}{name}.vectors"],
            "present": tensors[f"{_FEATURES}{name}.present"],
            "metadata": json.dumps(facts),
        }
        for name, facts in metadata.items()
    }


def _json(path: Path, kind: type) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not a JSON file") from None
    if not isinstance(value, kind):
        raise UserError(f"{path}: holds no {'object' if kind is dict else 'list'}")
    return value

"""Checkpoints: plain tensors plus JSON in one file, written whole or not at all.

A file of ours is a dict that ``torch.load(weights_only=True)`` reads: nothing in it can run code.

========================  ===============================================================================
``format``                ``recbole_mmm4rec/1``
``config``                the run's configuration without absolute paths, a JSON object as a string
``signature``             ``model.transfer_signature()``, a JSON object as a string
``item_tokens``           the dataset's item tokens in row order (row 0 is RecBole's ``[PAD]``)
``other_tokens``          the same of other fields that have rows in the model's tables, by field
``state_dict``            the model's weights (frozen features are not among them)
``optimizer``             the optimiser's ``state_dict()``
``training``              epoch, counters, best score and random states: what resuming needs
``items``                 of a model's file: features and times, see :mod:`.item_contents`
========================  ===============================================================================
"""

import json
import os
import pickle
import warnings
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.errors import ResumeError, UserError
from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.renamed import under_new_names
from recbole_mmm4rec.schema import checked
from recbole_mmm4rec.training.checkpoint_parts import Parts, check_numbers
from recbole_mmm4rec.training.plain import portable_config

FORMAT = "recbole_mmm4rec/1"

OURS: Literal["ours"] = "ours"
RELEASED: Literal["released"] = "released"


@dataclass
class Checkpoint:
    """A checkpoint in memory, tensors on the CPU, its parts checked.

    Attributes:
        path: where it was read.
        kind: ``"ours"``, or ``"released"`` for a file of the released MMM4Rec code, which holds only weights
            (and those under that code's names).

    Raises:
        UserError: parts that are not what :class:`~.checkpoint_parts.Parts` says.
    """

    path: str
    kind: Literal["ours", "released"]
    state_dict: dict[str, Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    signature: dict[str, Any] = field(default_factory=dict)
    item_tokens: list[str] = field(default_factory=list)
    other_tokens: dict[str, list[str]] = field(default_factory=dict)
    optimizer: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    items: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        checked(Parts, f"{self.path}: damaged checkpoint", vars(self))


def describe(
    config: Any, model: Any, tokens: list[str], others: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """The part of a checkpoint that does not change during a run.

    Args:
        config: RecBole's ``Config``, or a plain mapping.
        model: the model, whose ``transfer_signature`` is stored.
        tokens: item tokens in row order.
        others: tokens of other fields in row order.
    """
    values = getattr(config, "final_config_dict", config)
    signature = hooks_of(model).transfer_signature()
    return {
        "format": FORMAT,
        "config": json.dumps(portable_config(dict(values)), sort_keys=True),
        "signature": json.dumps(signature, sort_keys=True),
        "item_tokens": tokens,
        "other_tokens": others or {},
    }


def write_checkpoint(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write ``content`` under a temporary name in the same folder, rename it: a kill leaves no half file.

    Raises:
        UserError: it cannot be written, for example on a full disk; an earlier file of that name stays.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.tmp")  # always the same: the next write removes a dead one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, temporary)
        os.replace(temporary, target)
    except (OSError, RuntimeError) as error:
        _remove(temporary)
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in _WRITER):
            raise
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise UserError(f"{target}: cannot be written: {reason}; earlier files are as they were") from error
    except BaseException:
        _remove(temporary)
        raise


_WRITER = ("inline_container", "PytorchStreamWriter", "file write failed", "Parent directory")
"""Words in what torch raises when it cannot write; it does not pass on the system's reason."""


def _remove(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def read_checkpoint(path: str | os.PathLike[str], mapped: bool = False) -> Checkpoint:
    """Read a checkpoint of ours or of the released MMM4Rec code, without running anything in it.

    Args:
        path: the file.
        mapped: tensors are mapped and not read, for one who only looks at the parts.

    Raises:
        UserError: no such file; not a checkpoint, or a damaged one; a pickle of RecBole's; another format;
            weights that are not numbers, unless they are mapped.
    """
    checkpoint = _checkpoint(str(path), load_plain(Path(path), mapped))
    if not mapped:
        check_numbers(checkpoint.path, checkpoint.state_dict)
    return checkpoint


def _checkpoint(path: str, raw: Any) -> Checkpoint:
    if isinstance(raw, dict) and raw.get("format") == FORMAT:
        return _ours(path, raw)
    if isinstance(raw, dict) and _is_state_dict(raw.get("model")):
        return Checkpoint(path, RELEASED, raw["model"])
    kind = raw.get("format") if isinstance(raw, dict) else None
    found = f"format {kind!r}" if isinstance(kind, str) else "other content"
    raise UserError(f"{path}: not a checkpoint of this package ({FORMAT!r} expected, {found} found)")


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Final settings of the run that wrote a checkpoint, with our trainer or one of RecBole's.

    The tensors are mapped, not read.

    Raises:
        ResumeError: no such file, or not a checkpoint of a run.
    """
    if not Path(path).is_file():
        raise ResumeError(f"resume: {path} does not exist")
    try:
        raw = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        settings = raw["config"]
        return under_new_names(dict(json.loads(settings) if isinstance(settings, str) else settings))
    except Exception as error:  # the reader of a file that is not a checkpoint fails in many ways
        raise ResumeError(
            f"resume: {path} is not a checkpoint of a run; weights without settings are given as 'pretrained'"
        ) from error


def load_plain(path: Path, mapped: bool = False) -> Any:
    """What a file of plain tensors holds, as ``torch.load(weights_only=True)`` gives it.

    Args:
        path: the file.
        mapped: tensors are mapped and not read; only without it a file is read to its end and compared with
            its check sums.

    Raises:
        UserError: no such file, not a checkpoint, or a damaged one.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint file")
    if not mapped:
        compare_sums(path)
    try:
        with torch.serialization.safe_globals(_numpy_scalars()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a foreign pickle's protocol; the error below says enough
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: {_refusal(str(error))}") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise UserError(f"{path}: not a checkpoint, or a damaged one (cannot be read to its end)") from None


def compare_sums(path: Path) -> None:
    """Refuse an archive with other bytes than were written: torch reads past its check sums."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        damaged = "its table of contents"
    if damaged is not None:
        raise UserError(f"{path}: damaged checkpoint, {damaged} is not what was written")


def _refusal(reason: str) -> str:
    if "recbole.config" in reason:
        return "a checkpoint of RecBole's own trainer; it pickles objects, which are not loaded for safety"
    return "not a checkpoint of plain tensors (it pickles other objects, which are not loaded, or is damaged)"


def _numpy_scalars() -> list[Any]:
    # the released code may store its best score as a numpy scalar
    return [np.float64(0).__reduce__()[0], np.dtype, type(np.dtype("f8")), type(np.dtype("f4"))]


def _ours(path: str, raw: dict[str, Any]) -> Checkpoint:
    try:
        return Checkpoint(
            path=path,
            kind=OURS,
            state_dict=raw["state_dict"],
            config=under_new_names(dict(json.loads(raw["config"]))),
            signature=json.loads(raw["signature"]),
            item_tokens=raw["item_tokens"],
            other_tokens=raw.get("other_tokens", {}),
            optimizer=raw["optimizer"],
            training=raw["training"],
            items=raw.get("items"),
        )
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged checkpoint, part {error} is missing or unreadable") from None


def _is_state_dict(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return bool(value) and all(isinstance(entry, Tensor) for entry in value.values())

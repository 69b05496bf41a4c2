"""What an encoder offers, and how a missing one is reported."""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image

from recbole_mmm4rec.devices import usable_device
from recbole_mmm4rec.errors import UserError

Input = TypeVar("Input", contravariant=True)


class Encoder(Protocol, Generic[Input]):
    """``metadata``: JSON facts (encoder, weights' hash, preprocessing) that also tell two encoders apart."""

    metadata: dict[str, Any]

    def encode(self, batch: Sequence[Input]) -> np.ndarray:
        """Return the vectors of ``batch`` (b texts or prepared pictures), (b, D) float32, in its order."""
        ...


class PictureEncoder(Encoder[Any], Protocol):
    """Pictures are prepared one by one, by several threads, so that few are in memory at their full size."""

    def prepare(self, picture: Image.Image) -> Any:
        """Return an RGB picture as ``encode`` takes it, at the encoder's own size."""
        ...


def package_folder(package: str) -> Path:
    """Folder of an installed package, found without importing it (its own imports may be heavy)."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise UserError(f"the package {package} is not installed")
    return Path(found.submodule_search_locations[0])


def file_hash(path: Path) -> str:
    """First 16 hex digits of the file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def chosen_device(options: Mapping[str, Any]) -> torch.device:
    """Return the ``device`` of ``encoder_options``, else the GPU if there is one. Raises ``UserError``."""
    return usable_device(options.get("device"), "encoder_options: device")

"""Any model of open_clip: both towers, SigLIP ViT-B-16 by default as in the paper."""

import contextlib
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.prepare.encoders.base import chosen_device
from recbole_mmm4rec.prepare.hashed_text import unit_rows

MODEL, PRETRAINED = "ViT-B-16-SigLIP", "webli"
RANDOM = "random"
PRECISIONS = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_KEYS = ("model", "pretrained", "tokenizer", "precision", "device")


@dataclass(frozen=True)
class Towers:
    """A loaded model with what prepares its inputs. ``dtype``: of the products, None for float32."""

    network: Any
    transform: Any
    tokenize: Any
    device: torch.device
    dtype: torch.dtype | None
    metadata: dict[str, Any]

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """Context in which the network runs."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def load_towers(options: Mapping[str, Any]) -> Towers:
    """Load a model; ``options``: ``model``, ``pretrained``, ``tokenizer``, ``precision``, ``device``.

    ``pretrained`` is a tag of open_clip (fetched from the hub), the path of a weights file, or ``random`` for
    tests. ``tokenizer`` is a folder with the tokenizer's files, where the hub is out of reach. Raises
    ``UserError``, one line, where something is missing.
    """
    unknown = sorted(set(options) - set(_KEYS))
    if unknown:
        raise UserError(f"encoder_options: unknown key '{unknown[0]}', known are {', '.join(_KEYS)}")
    open_clip = import_open_clip()
    name, pretrained = options.get("model", MODEL), options.get("pretrained", PRETRAINED)
    device = chosen_device(options)
    if name not in open_clip.list_models():
        raise UserError(f"encoder_options: open_clip has no model '{name}'")
    try:
        network, _, transform = open_clip.create_model_and_transforms(
            name, pretrained=None if pretrained == RANDOM else pretrained, device=device
        )
        tokenize = _tokenizer(open_clip, name, options.get("tokenizer"))
    except Exception as error:  # hub, files and networks fail in many ways; each means: not loadable
        reason = in_one_line(error)
        raise UserError(f"open_clip: {name} ({pretrained}) cannot be loaded: {reason}") from error
    network.eval()
    precision = _precision(options, device)
    metadata = {"encoder": f"open_clip {name} ({_tag(pretrained)})", "weights": _hash(network)}
    metadata["precision"] = precision
    return Towers(network, transform, tokenize, device, PRECISIONS[precision], metadata)


class ImageTower:
    """Vectors of pictures, scaled to length 1."""

    def __init__(self, towers: Towers) -> None:
        self._towers = towers
        self.metadata = towers.metadata | {"tower": "image", "normalised": True}

    def prepare(self, picture: Image.Image) -> torch.Tensor:
        """Return the picture as the model's own preprocessing gives it, (3, side, side) float32."""
        return self._towers.transform(picture)

    @torch.inference_mode()
    def encode(self, batch: Sequence[torch.Tensor]) -> np.ndarray:
        """Return (b, D) float32."""
        towers = self._towers
        pixels = torch.stack(list(batch)).to(towers.device)
        with towers.precision():
            return unit_rows(towers.network.encode_image(pixels).float().cpu().numpy())


class TextTower:
    """Vectors of texts, scaled to length 1; longer texts than the model's context are cut."""

    def __init__(self, towers: Towers) -> None:
        self._towers = towers
        self.metadata = towers.metadata | {"tower": "text", "normalised": True}

    @torch.inference_mode()
    def encode(self, batch: Sequence[str]) -> np.ndarray:
        """Return (b, D) float32."""
        towers = self._towers
        tokens = towers.tokenize(list(batch)).to(towers.device)
        with towers.precision():
            return unit_rows(towers.network.encode_text(tokens).float().cpu().numpy())


def _tokenizer(open_clip: Any, name: str, folder: str | None) -> Any:
    if folder is None:
        return open_clip.get_tokenizer(name)
    if not Path(folder).is_dir():
        raise UserError(f"encoder_options: tokenizer: no folder {folder}")
    context = open_clip.get_model_config(name)["text_cfg"].get("context_length", 77)
    return open_clip.tokenizer.HFTokenizer(folder, context_length=context)


def _precision(options: Mapping[str, Any], device: torch.device) -> str:
    name = options.get("precision") or ("bf16" if device.type == "cuda" else "float32")
    if name not in PRECISIONS:
        raise UserError(f"encoder_options: precision: {name!r} is not one of {', '.join(PRECISIONS)}")
    return name


def _tag(pretrained: str) -> str:
    return Path(pretrained).name if "/" in pretrained else pretrained


def _hash(network: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def import_open_clip() -> Any:
    """Return the module ``open_clip``, also beside a torchvision that fails to import on its own."""
    try:
        import torchvision  # noqa: F401 - open_clip imports it; on some builds it needs help first
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_detection_operators()
    import open_clip

    return open_clip


def _declare_detection_operators() -> None:
    """Declare two operators that a torchvision without compiled parts misses at import; neither is called."""
    for module in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES.append(library)


_LIBRARIES: list[torch.library.Library] = []
"""Operators live as long as the object that declared them."""

"""Texts and pictures in the space of a checkpoint's features: by the very encoder that its metadata names."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recbole_mmm4rec.columns import IMAGE, TEXT
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.encoders import check_encoder
from recbole_mmm4rec.prepare.encoders.pixels import ENCODER as PIXELS
from recbole_mmm4rec.prepare.encoders.pixels import PixelEncoder
from recbole_mmm4rec.prepare.hashed_text import HASHED, hashed_vectors
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, read_picture

_BATCH = 64
_SAME = ("weights", "tower", "preprocessing")
"""Facts that must agree, where the checkpoint has them, beside the name."""


def encode_texts(features: ModalityFeatures, texts: Sequence[str]) -> np.ndarray:
    """(n, D_m) float32 vectors of texts; zeros for one without a word that the encoder can read.

    Raises:
        UserError: the items' texts were encoded by something that cannot be repeated here, or is missing.
    """
    if _name(features) == HASHED:
        return hashed_vectors(list(texts), features.dimension)[0]
    encoder = _encoder(TEXT, json.dumps(features.metadata, sort_keys=True))
    # one by one: the rounding of a batch depends on what shares it, and a query has to repeat
    return _checked(features, np.concatenate([encoder.encode([text]) for text in texts]))


def encode_pictures(features: ModalityFeatures, pictures: Sequence[Any]) -> np.ndarray:
    """(n, D_m) float32 vectors of pictures: paths or PIL images.

    Raises:
        UserError: a file that is not a picture, or as for :func:`encode_texts`.
    """
    encoder = _encoder(IMAGE, json.dumps(features.metadata, sort_keys=True))
    parts = []
    for start in range(0, len(pictures), _BATCH):
        batch = [encoder.prepare(_picture(picture)) for picture in pictures[start : start + _BATCH]]
        parts.append(encoder.encode(batch))
    return _checked(features, np.concatenate(parts))


def _picture(given: Any) -> Image.Image:
    if isinstance(given, Image.Image):
        return given.convert("RGB")
    try:
        return read_picture(Path(given))
    except UnusablePicture as error:
        raise UserError(f"{given}: not a usable picture: {error}") from None
    except TypeError:
        raise UserError(f"a picture's path or a PIL image is needed, not {type(given).__name__}") from None


def _name(features: ModalityFeatures) -> str:
    return str(features.metadata.get("encoder") or "an encoder that its file does not name")


@lru_cache(maxsize=4)
def _encoder(modality: str, metadata: str) -> Any:
    """The encoder that some metadata describe; loaded once."""
    facts = json.loads(metadata)
    wanted = str(facts.get("encoder") or "")
    for start, (key, make) in _KNOWN[modality].items():
        if wanted.startswith(start):
            check_encoder(f"{modality}_encoder", key)
            encoder = make(wanted)
            _compare(wanted, facts, encoder.metadata)
            return encoder
    named = f"'{wanted}'" if wanted else "an encoder that their file does not name"
    raise UserError(
        f"{modality}: the items' vectors are from {named}, which cannot encode a query here; give its vector"
    )


def _compare(wanted: str, facts: dict[str, Any], here: dict[str, Any]) -> None:
    for key in ("encoder", *_SAME):
        if key in facts and facts[key] != here.get(key):
            raise UserError(
                f"the items' vectors are from {wanted} with {key} {facts[key]!r}; the installed one has "
                f"{here.get(key)!r}, so a query would be in another space"
            )


def _checked(features: ModalityFeatures, vectors: np.ndarray) -> np.ndarray:
    if vectors.shape[1] != features.dimension:
        raise UserError(
            f"{features.name}: {_name(features)} gives {vectors.shape[1]} numbers, the items have "
            f"{features.dimension}"
        )
    return vectors


def _minilm(_: str) -> Any:
    from recbole_mmm4rec.prepare.encoders.minilm import MiniLM

    return MiniLM()


def _efficientnet(_: str) -> Any:
    from recbole_mmm4rec.prepare.encoders.base import chosen_device
    from recbole_mmm4rec.prepare.encoders.efficientnet_lite import EfficientNetLite

    return EfficientNetLite(chosen_device({}))


def _towers(wanted: str) -> Any:
    """``open_clip <model> (<weights>)`` -> the model, its weights from the hub or its cache."""
    from recbole_mmm4rec.prepare.encoders.open_clip_towers import load_towers

    model, _, weights = wanted.removeprefix(_CLIP).partition(" (")
    return load_towers({"model": model, "pretrained": weights.removesuffix(")"), "precision": "float32"})


def _clip_text(wanted: str) -> Any:
    from recbole_mmm4rec.prepare.encoders.open_clip_towers import TextTower

    return TextTower(_towers(wanted))


def _clip_image(wanted: str) -> Any:
    from recbole_mmm4rec.prepare.encoders.open_clip_towers import ImageTower

    return ImageTower(_towers(wanted))


_CLIP = "open_clip "
_KNOWN: dict[str, dict[str, tuple[str, Callable[[str], Any]]]] = {
    TEXT: {"all-MiniLM-L6-v2 (int8 ONNX)": ("minilm", _minilm), _CLIP: ("open_clip", _clip_text)},
    IMAGE: {
        PIXELS: ("pixels", lambda _: PixelEncoder()),
        "EfficientNet-Lite0": ("efficientnet-lite0", _efficientnet),
        _CLIP: ("open_clip", _clip_image),
    },
}
"""Modality -> beginning of the encoder's name in metadata -> its name in settings, and how to make it."""

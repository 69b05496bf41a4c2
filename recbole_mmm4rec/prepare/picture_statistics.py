"""Pictures -> vectors without a network: pixels times a fixed matrix. For demonstrations, not for photographs."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from recbole_mmm4rec.prepare.hashed_text import SEED, unit_rows

SIDE = 24
DIMENSION = 192
ENCODER = f"pixels at {SIDE}x{SIDE}, fixed random projection"


def picture_vectors(pictures: Iterable[Image.Image]) -> tuple[np.ndarray, dict[str, Any]]:
    """Vectors (N, 192) float32 of length 1, and their metadata.

    Nothing is fitted: equal pictures give equal vectors in every dataset.
    """
    pixels = np.stack([_pixels(picture) for picture in pictures])
    projection = np.random.default_rng(SEED).standard_normal((pixels.shape[1], DIMENSION), dtype=np.float32)
    return unit_rows(pixels @ projection), {"encoder": ENCODER, "dimension": DIMENSION}


def _pixels(picture: Image.Image) -> np.ndarray:
    small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    return (np.asarray(small, dtype=np.float32) / 255.0 - 0.5).ravel()

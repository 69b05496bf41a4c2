"""Pictures -> vectors without a network: pixels times a fixed matrix. For drawings, not for photographs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from recbole_mmm4rec.prepare.hashed_text import SEED, unit_rows

SIDE = 24
DIMENSION = 192
ENCODER = f"pixels at {SIDE}x{SIDE}, fixed random projection"


class PixelEncoder:
    """Vectors of length 1, 192-d. Nothing is fitted: equal pictures give equal vectors in every dataset."""

    def __init__(self) -> None:
        rng = np.random.default_rng(SEED)
        self._projection = rng.standard_normal((3 * SIDE * SIDE, DIMENSION), dtype=np.float32)
        self.metadata: dict[str, Any] = {"encoder": ENCODER, "dimension": DIMENSION}

    def prepare(self, picture: Image.Image) -> Image.Image:
        """Return the picture as (24, 24) RGB."""
        return picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)

    def encode(self, batch: Sequence[Image.Image]) -> np.ndarray:
        """Return (b, 192) float32, of pictures of any size."""
        return unit_rows(np.stack([_pixels(self.prepare(p)) for p in batch]) @ self._projection)


def _pixels(picture: Image.Image) -> np.ndarray:
    return (np.asarray(picture, dtype=np.float32) / 255.0 - 0.5).ravel()

"""The product pictures: look = colour and background pattern, kind = outline and arrangement."""

import colorsys
import math

import numpy as np
from PIL import Image, ImageDraw

from recbole_mmm4rec.prepare.demo_shop.catalogue import ARRANGEMENTS, HUES, PATTERNS

SIDE = 96
_CELL = SIDE // 8
_CENTRES = (
    [(0.5, 0.5, 0.34)],
    [(0.3, 0.5, 0.19), (0.7, 0.5, 0.19)],
    [(0.5, 0.3, 0.19), (0.5, 0.7, 0.19)],
    [(0.28, 0.28, 0.18), (0.72, 0.72, 0.18)],
    [(0.28, 0.72, 0.18), (0.72, 0.28, 0.18)],
    [(0.28, 0.28, 0.17), (0.72, 0.28, 0.17), (0.28, 0.72, 0.17), (0.72, 0.72, 0.17)],
)


def draw_picture(look: int, kind: int, rng: np.random.Generator) -> Image.Image:
    """An RGB picture of 96x96; ``rng`` moves and turns the outline a little: no two items look alike."""
    hue, pattern = divmod(look, PATTERNS)
    picture = Image.new("RGB", (SIDE, SIDE), _colour(hue, 0.45, 0.98))
    canvas = ImageDraw.Draw(picture)
    _draw_pattern(canvas, pattern, _colour(hue, 0.95, 0.80))
    outline, arrangement = divmod(kind, ARRANGEMENTS)
    for x, y, radius in _CENTRES[arrangement]:
        shift = rng.uniform(-0.02, 0.02, 2)
        corners = _outline(outline, x + shift[0], y + shift[1], radius, rng.uniform(-0.08, 0.08))
        canvas.polygon(corners, fill=(25, 25, 30), outline=(245, 245, 245))
    return picture


def _colour(hue: int, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue / HUES, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_pattern(canvas: ImageDraw.ImageDraw, pattern: int, colour: tuple[int, int, int]) -> None:
    for row in range(8):
        for column in range(8):
            filled = (False, row % 2 == 0, column % 2 == 0, (row // 2 + column // 2) % 2 == 0)[pattern]
            if filled:
                corner = (column * _CELL, row * _CELL)
                canvas.rectangle([corner, (corner[0] + _CELL - 1, corner[1] + _CELL - 1)], fill=colour)


def _outline(outline: int, x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    """Corners in pixels: even outlines are polygons of 3 to 8 corners, odd ones stars with as many rays."""
    rays, star = 3 + outline // 2, outline % 2 == 1
    corners = []
    for step in range(2 * rays if star else rays):
        angle = turn + 2 * math.pi * step / (2 * rays if star else rays) - math.pi / 2
        length = radius * (0.4 if star and step % 2 else 1.0) * SIDE
        corners.append((x * SIDE + length * math.cos(angle), y * SIDE + length * math.sin(angle)))
    return corners

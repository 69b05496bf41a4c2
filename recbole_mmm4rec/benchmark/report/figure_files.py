"""A figure of the report as a file of its own: its drawings side by side, and their legend below.

For papers and other pages. Colours are plain ones, as few programs beside browsers know the page's variables.
"""

import re
from html import escape

from recbole_mmm4rec.benchmark.report.drawing import PANEL, SWATCH, with_own_ids, with_plain_colours
from recbole_mmm4rec.benchmark.report.section import Figures

ACROSS = 3
WIDTH, HEIGHT = (72 * inches for inches in PANEL)
KEY_WIDTH, KEY_HEIGHT = (72 * inches for inches in SWATCH)
TITLE, KEY, GAP = 20.0, 18.0, 8.0
"""Points for a drawing's heading, for a line of the legend, and between a swatch and what is beside it."""
CHARACTER = 5.5
"""Points that a character of a label takes, on average."""


def figure_svg(figures: Figures) -> str:
    """An SVG document in points, on white; there is at least one panel."""
    across = min(ACROSS, len(figures.panels))
    width, height = across * WIDTH, -(-len(figures.panels) // across) * (TITLE + HEIGHT)
    parts = []
    for number, panel in enumerate(figures.panels):
        x, y = number % across * WIDTH, number // across * (TITLE + HEIGHT)
        parts.append(_text(panel.title, x + WIDTH / 2, y + 0.75 * TITLE, "middle"))
        parts.append(_placed(panel.svg, f"panel-{number}", x, y + TITLE))
    places, height = _legend_places([label for _, label in figures.legend], width, height)
    for number, ((swatch, label), (x, y)) in enumerate(zip(figures.legend, places, strict=True)):
        parts.append(_placed(swatch, f"key-{number}", x, y - KEY_HEIGHT))
        parts.append(_text(label, x + KEY_WIDTH + GAP, y - 2, "start"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {width:g} {height:g}">\n'
        f'<title>{escape(figures.caption)}</title>\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend_places(labels: list[str], width: float, top: float) -> tuple[list[tuple[float, float]], float]:
    """Left end and foot of every label's swatch, in as many lines as they need, and where these end."""
    places, x, y = [], GAP, top + KEY
    for label in labels:
        needed = KEY_WIDTH + 3 * GAP + CHARACTER * len(label)
        if x > GAP and x + needed > width:
            x, y = GAP, y + KEY
        places.append((x, y))
        x += needed
    return places, y + GAP if labels else top


def _text(text: str, x: float, y: float, anchor: str) -> str:
    font = 'font-family="DejaVu Sans, Verdana, Arial, sans-serif" font-size="9"'
    return f'<text x="{x:g}" y="{y:g}" {font} text-anchor="{anchor}" fill="#333333">{escape(text)}</text>'


def _placed(element: str, prefix: str, x: float, y: float) -> str:
    """A drawing at a place within another, with ids of its own and plain colours."""
    head, rest = with_own_ids(element, prefix).split(">", 1)
    head = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', head)
    head = head.replace("<svg", f'<svg x="{x:g}" y="{y:g}"', 1)
    return with_plain_colours(f"{head}>{rest}")

"""Drawings for the page: one style for all figures, in colours that most people can tell apart.

Colours in the SVG are CSS variables (``--ink``, ``--grid``, ``--c-0072B2``), so that the page can change them
in dark mode, with the colour itself as fallback.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

PANEL = (4.4, 3.1)
SWATCH = (0.42, 0.16)
INK, GRID = "#333333", "#d9d9d9"
# Okabe and Ito's palette, with grey for yellow, which is too light for lines on white
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
OUR_COLOUR = "#D55E00"
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
_THEMED = {INK: f"var(--ink,{INK})", GRID: f"var(--grid,{GRID})"} | {
    colour.lower(): f"var(--c-{colour[1:]},{colour})" for colour in (*COLOURS, OUR_COLOUR)
}
DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recbole_mmm4rec",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.unicode_minus": True,
}


@dataclass(frozen=True)
class Style:
    """How a setting is drawn everywhere: colour, marker, dash and width of its line in points."""

    colour: str
    marker: str
    dash: Any
    width: float

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a line with markers."""
        return {"marker": self.marker, "markersize": 4.5, **self.bare_line}

    @property
    def bare_line(self) -> dict[str, Any]:
        """Arguments of a line without markers."""
        return {"color": self.colour, "linestyle": self.dash, "linewidth": self.width}

    @property
    def point(self) -> dict[str, Any]:
        """Arguments of a single marker."""
        return {"color": self.colour, "marker": self.marker, "markersize": 6.5, "linestyle": "none"}


def make_styles(labels: list[str], ours: str | None) -> dict[str, Style]:
    """A style for each label: ours solid and thick, the others in turn, different without colour too."""
    styles = {}
    for number, label in enumerate(label for label in labels if label != ours):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        styles[label] = Style(colour, marker, DASHES[number % len(DASHES)], width=1.4)
    if ours is not None:
        styles[ours] = Style(OUR_COLOUR, "o", "-", 2.2)
    return styles


def draw(label: str, paint: Callable[[Any], None]) -> str:
    """Draw on fresh axes.

    Args:
        label: what the drawing shows, for screen readers.
        paint: gets matplotlib's axes.

    Returns:
        An ``<svg>`` element in which text is text; it refers to nothing outside itself.
    """
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=PANEL, layout="constrained")
        paint(figure.subplots())
        return _to_svg(figure, label)


@lru_cache(maxsize=256)
def draw_swatch(style: Style, line: bool = True) -> str:
    """A short piece of a setting's line, or only its marker, for a legend."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=SWATCH)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.plot([0, 1, 2], [0, 0, 0], **(style.line if line else style.point), markevery=[1])
        return _to_svg(figure, "")


def legend(styles: dict[str, Style], labels: list[str], lines: bool = True) -> list[tuple[str, str]]:
    """A swatch per label, for drawings with lines or with markers only."""
    return [(draw_swatch(styles[label], lines), label) for label in labels]


def scale_x(axes: Any, values: list[float]) -> None:
    """Plain numbers on the horizontal axis; logarithmic if the largest value is many times the smallest."""
    axis = axes.xaxis
    if values and min(values) > 0 and max(values) > 5 * min(values):
        axes.set_xscale("log")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
    elif all(float(value).is_integer() for value in values):
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    """A number in few characters: 250, 1,500, 15k, 12M."""
    for start, size, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= start:
            return f"{value / size:.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _to_svg(figure: Figure, label: str) -> str:
    picture = StringIO()
    figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})
    return embeddable(picture.getvalue(), label)


def embeddable(document: str, label: str) -> str:
    """An SVG document as an element of a page: no prologue, metadata or namespaces, themed colours."""
    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r'\s(xmlns(:\w+)?)="[^"]*"', "", element)
    role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return _with_themed_colours(element.replace("<svg", f"<svg {role}", 1).strip())


def _with_themed_colours(element: str) -> str:
    """Colours of ``_THEMED`` as CSS variables; matplotlib writes them in ``style``, where variables work."""
    return re.sub('#[0-9a-f]{6}(?=[;"])', lambda colour: _THEMED.get(colour[0], colour[0]), element)


def with_plain_colours(element: str) -> str:
    """The element with the colours themselves instead of CSS variables, for programs that know none."""
    return re.sub(r"var\(--[\w-]+,(#\w+)\)", r"\1", element)


def with_own_ids(element: str, prefix: str) -> str:
    """The element with ids that are unique on the page if the prefix is."""
    element = re.sub(r'(\sid=")', rf"\1{prefix}-", element)
    return re.sub(r'(url\(#|href="#)', rf"\1{prefix}-", element)

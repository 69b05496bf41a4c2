"""The picture of growing costs: one panel a size, logarithmic axes, so that a line is a power."""

from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from recbole_mmm4rec.files import write_text

NAMES = {
    "length": "history length L",
    "batch": "batch B",
    "hidden_size": "model width D",
    "items": "items N",
}
STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"))  # Okabe and Ito


def draw(curves: Iterable[Any], path: Path) -> None:
    """Write curves (:class:`~recbole_mmm4rec.benchmark.growth.Curve`) as SVG to ``path``."""
    panels: dict[str, list[Any]] = {}
    for curve in curves:
        panels.setdefault(curve.axis, []).append(curve)
    figure = Figure(figsize=(4 * len(panels), 3.4), layout="constrained")
    subplots = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, lines) in zip(subplots, panels.items(), strict=True):
        _panel(axes, NAMES.get(name, name), lines)
    picture = StringIO()
    figure.savefig(picture, format="svg")
    write_text(path, picture.getvalue())


def _panel(axes: Any, name: str, curves: list[Any]) -> None:
    for curve, (colour, marker, dash) in zip(curves, STYLES, strict=False):
        label = f"{curve.label} (power {curve.exponent:.2f})"
        axes.loglog(curve.sizes, curve.milliseconds, dash, color=colour, marker=marker, label=label)
    axes.set_xlabel(name)
    axes.set_ylabel("forward and backward, ms")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize="small", frameon=False)

"""How the cost of a training step grows with every size: ``run_recbole.py --bench=growth``.

Forward and backward pass of MMM4Rec on synthetic histories of full length, one size varied at a time, and the
forms of state-space duality against each other (on a GPU also that of mamba-ssm). Writes ``growth.json``
and the figure ``growth.svg``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from io import StringIO
from math import log
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from recbole_mmm4rec.benchmark.clock import Clock
from recbole_mmm4rec.benchmark.small_mmm4rec import SMALL_MMM4REC, WIDTH
from recbole_mmm4rec.benchmark.synthetic import synthetic_batch, synthetic_model
from recbole_mmm4rec.files import write_json, write_text
from recbole_mmm4rec.nn.ssd import ssd_linear, ssd_quadratic

BASE = {"length": 20, "items": 1_000, "batch": 64, "hidden_size": WIDTH}
CHUNK = 65_536
NAMES = {
    "length": "history length L",
    "batch": "batch B",
    "hidden_size": "model width D",
    "items": "items N",
}
STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"))  # Okabe and Ito

Scan = Callable[..., Tensor]
"""(B, L, H, P) inputs, steps, decay rates, input and output maps -> (B, L, H, P), as ``nn.ssd.ssd``."""


@dataclass
class Curve:
    """Cost against one size.

    Attributes:
        axis: the size that varies.
        label: what is measured.
        sizes: its values, ascending.
        milliseconds: CPU time (GPU: wall time) of forward and backward, the median of the runs.
    """

    axis: str
    label: str
    sizes: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    @property
    def exponent(self) -> float:
        """k of cost ~ size^k between the two largest sizes."""
        (x0, x1), (y0, y1) = self.sizes[-2:], self.milliseconds[-2:]
        return log(y1 / y0) / log(x1 / x0)

    def line(self) -> str:
        """The curve as a line of text."""
        points = ", ".join(f"{s:,}: {m:,.1f}" for s, m in zip(self.sizes, self.milliseconds, strict=True))
        return f"{self.axis:<16}{self.label:<26}{points} ms; grows with the power {self.exponent:.2f}"


@dataclass(frozen=True)
class Sweep:
    """A curve to measure: the size that varies, its values, and further keys of the model's configuration."""

    axis: str
    label: str
    sizes: Sequence[int]
    values: dict[str, Any] = field(default_factory=dict)


SWEEPS = (
    Sweep("length", "a training step", (10, 20, 50, 100, 200, 400)),
    Sweep("batch", "a training step", (64, 128, 256, 512, 1024)),
    Sweep("hidden_size", "a training step", (64, 128, 256, 512)),
    Sweep("items", "catalogue, in chunks", (1_000, 10_000, 100_000, 1_000_000), {"softmax_chunk": CHUNK}),
    Sweep("items", "batch (pre-training)", (1_000, 10_000, 100_000, 1_000_000), {"stage": "pretrain"}),
)
SCAN_LENGTHS = (20, 50, 100, 200, 500, 1000)


def run(folder: Path = Path(), sweeps: Sequence[Sweep] = SWEEPS, runs: int = 3) -> list[Curve]:
    """Measure all curves and write ``growth.json`` and ``growth.svg`` into ``folder``."""
    points = sum(len(sweep.sizes) for sweep in sweeps) + len(scans()) * len(SCAN_LENGTHS)
    with tqdm(total=points, desc="Growth", ncols=100) as bar:
        curves = [*(measure(sweep, runs, bar) for sweep in sweeps), *scan_forms(runs, bar)]
    records = [asdict(curve) | {"exponent": curve.exponent} for curve in curves]
    write_json(folder / "growth.json", records)
    draw(curves, folder / "growth.svg")
    return curves


def table(curves: Sequence[Curve]) -> str:
    """The curves as lines of text; the last curves are those of :func:`scans`."""
    quadratic, linear = curves[-len(scans()) :][:2]
    lines = [*(curve.line() for curve in curves), crossing(quadratic, linear)]
    return "\n".join(lines) + "\n"


def scans() -> dict[str, Scan]:
    """The forms of the scan that can run on this machine, the two of this package first."""
    forms: dict[str, Scan] = {"quadratic form": ssd_quadratic, "linear-time form": ssd_linear}
    if torch.cuda.is_available():
        with suppress(ImportError):
            from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

            forms["mamba-ssm kernel"] = partial(mamba_chunk_scan_combined, chunk_size=256)
    return forms


def measure(sweep: Sweep, runs: int, bar: Any) -> Curve:
    """One curve of training steps."""
    curve = Curve(sweep.axis, sweep.label)
    for size in sweep.sizes:
        curve.sizes.append(size)
        curve.milliseconds.append(_step_cost(BASE | {sweep.axis: size}, sweep.values, runs))
        bar.update()
    return curve


def _step_cost(sizes: dict[str, int], values: dict[str, Any], runs: int) -> float:
    items, length, width = sizes["items"], sizes["length"], sizes["hidden_size"]
    settings = SMALL_MMM4REC | {"hidden_size": width, "inner_size": width, "item_ids": False} | values
    model = synthetic_model(items, length, **settings)
    batch = synthetic_batch(model, sizes["batch"], items, length)
    return _cost(lambda: model.calculate_loss(batch), batch[model.ITEM_SEQ].device, runs)


def scan_forms(runs: int, bar: Any) -> Iterator[Curve]:
    """Each form of the same scan: B 16, H 8, P 64, G 8, S 64."""
    for label, form in scans().items():
        curve = Curve("length", label)
        for length in SCAN_LENGTHS:
            inputs = _scan_inputs(length)
            curve.sizes.append(length)
            curve.milliseconds.append(_cost(lambda: form(*inputs).sum(), inputs[0].device, runs))  # noqa: B023
            bar.update()
        yield curve


def _scan_inputs(length: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    x, b, c = (torch.randn(16, length, 8, 64, device=device, requires_grad=True) for _ in range(3))
    return x, torch.rand(16, length, 8, device=device), -torch.rand(8, device=device), b, c


def _cost(loss: Callable[[], Tensor], device: torch.device, runs: int) -> float:
    """Median milliseconds of forward and backward after one warm-up run."""
    clock = Clock(device)
    for number in range(runs + 1):
        if number == 1:
            clock.restart()
        with clock.part("step"):
            loss().backward()
    return clock.medians()["step"]["wall_ms" if device.type == "cuda" else "cpu_ms"]


def crossing(quadratic: Curve, linear: Curve) -> str:
    """The measured lengths at which the linear-time form is cheaper."""
    points = zip(quadratic.sizes, quadratic.milliseconds, linear.milliseconds, strict=True)
    won = [size for size, slow, fast in points if fast < slow]
    return f"the linear-time form is cheaper at {won or 'none'} of the lengths {quadratic.sizes}"


def draw(curves: Iterable[Curve], path: Path) -> None:
    """Write a panel per size as SVG, with logarithmic axes, on which a power is a straight line."""
    panels: dict[str, list[Curve]] = {}
    for curve in curves:
        panels.setdefault(curve.axis, []).append(curve)
    figure = Figure(figsize=(4 * len(panels), 3.4), layout="constrained")
    subplots = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, lines) in zip(subplots, panels.items(), strict=True):
        _panel(axes, NAMES.get(name, name), lines)
    picture = StringIO()
    figure.savefig(picture, format="svg")
    write_text(path, picture.getvalue())


def _panel(axes: Any, name: str, curves: list[Curve]) -> None:
    for curve, (colour, marker, dash) in zip(curves, STYLES, strict=False):
        label = f"{curve.label} (power {curve.exponent:.2f})"
        axes.loglog(curve.sizes, curve.milliseconds, dash, color=colour, marker=marker, label=label)
    axes.set_xlabel(name)
    axes.set_ylabel("forward and backward, ms")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize="small", frameon=False)

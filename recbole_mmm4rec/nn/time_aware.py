"""The time branch: gaps between interactions become multipliers of the SSD step size.

The paper's branch reads a history as a whole; ``causal`` is one that reads the past of each position only.

It never looks at items, so it runs once per batch at full length, on (B, H, L) tensors that cost little
beside the token branch. Source: equations (5), (6) of the MMM4Rec paper and TiM4Rec (arXiv 2409.16182).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.causal import CausalLinear, RunningNorm
from recbole_mmm4rec.nn.convolution import CausalConv
from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.norm import MaskedLayerNorm
from recbole_mmm4rec.nn.padding import valid_positions

PAPER, CAUSAL = TIME_BRANCHES = ("paper", "causal")
"""Values of the key ``time_branch``."""


@dataclass(frozen=True)
class TimeSettings:
    """What the layers of a time branch agree on.

    Attributes:
        length: L, fixed by the weights' shapes.
        heads: H.
        kernel: K of the causal convolutions.
        dropout: of the layers' inputs.
        gap_dropout: of the gaps, before their norm; None: as ``dropout``.
        eps: of the layer norms over whole histories.
        scale_first: scale the gaps and then convolve twice (released code), instead of convolving once and
            then scaling (equation (5)).
        tanhshrink: end the scaling network with y - tanh y (released code), which is flat around 0.
        masked: leave pads out of layer norms and set their gaps to 0.
        edge: padding of the convolutions, see :func:`~recbole_mmm4rec.nn.convolution.causal_conv`.
        pointwise_gate: one gate per position instead of one per history (TiM4Rec's option). A causal branch
            has one per position either way; without the option it is that of the history which ends there.
        lively: initialise the scaling network around 1 instead of around 0.
        activation: of the convolutions.
        causal: norms and maps look back only, so that a position has the same output whether or not the
            history goes on after it.
    """

    length: int
    heads: int
    kernel: int = 4
    dropout: float = 0.0
    gap_dropout: float | None = None
    eps: float = 1e-12
    scale_first: bool = False
    tanhshrink: bool = False
    masked: bool = True
    edge: bool = False
    pointwise_gate: bool = False
    lively: bool = True
    activation: Callable[[Tensor], Tensor] = F.silu
    causal: bool = False

    def norm(self) -> MaskedLayerNorm:
        """Of (..., L) over its positions."""
        return RunningNorm(self.length) if self.causal else MaskedLayerNorm(self.length, eps=self.eps)

    def linear(self, outputs: int) -> nn.Linear:
        """From L positions to ``outputs``, L or 1; a causal one always gives L."""
        return (CausalLinear if self.causal else nn.Linear)(self.length, outputs)


def time_gaps(timestamps: Tensor, lengths: Tensor, log: bool = True, masked: bool = True) -> Tensor:
    """Seconds between an interaction and the one before it.

    Args:
        timestamps: (B, L) float64 seconds, 0 at pads.
        lengths: (B,) int64.
        log: log(1 + seconds), signed, instead of seconds.
        masked: 0 at pads; else the first pad gets minus the last time stamp, as in the released code.

    Returns:
        (B, L) float32; the first gap is 0.
    """
    gaps = torch.zeros_like(timestamps)
    gaps[:, 1:] = timestamps[:, 1:] - timestamps[:, :-1]
    if masked:
        gaps = gaps * valid_positions(lengths, timestamps.shape[1])
    if log:
        gaps = gaps.sign() * gaps.abs().log1p()
    return gaps.float()


class GapNorm(nn.Module):
    """Gaps -> normalised gaps, one copy per head.

    Args:
        settings: of the branch.
        per_history: layer norm over the history, which keeps only relative gaps; else a fixed scale that
            keeps absolute ones (log-seconds / 8 - 1: a second is -0.9, a day 0.4, a year 1.2).
    """

    no_decay = True

    def __init__(self, settings: TimeSettings, per_history: bool = True) -> None:
        super().__init__()
        self.settings, self.per_history = settings, per_history
        self.norm = settings.norm()
        own = settings.gap_dropout
        self.dropout = Dropout(settings.dropout if own is None else own)

    def forward(self, gaps: Tensor, valid: Tensor | None) -> Tensor:
        """(B, L) gaps and (B, L) bool (None: no mask) -> (B, H, L)."""
        gaps = self.dropout(gaps)
        if self.per_history:
            normalised = self.norm(gaps, valid)
        else:
            normalised = (gaps / 8 - 1) * self.norm.weight + self.norm.bias
            normalised = normalised if valid is None else normalised * valid
        return normalised.unsqueeze(1).expand(-1, self.settings.heads, -1)


class TimeScale(nn.Module):
    """Normalised gaps d -> multipliers e of the step size, (B, H, L) -> (B, H, L)."""

    no_decay = True

    def __init__(self, settings: TimeSettings) -> None:
        super().__init__()
        self.settings = settings
        self.dropout = Dropout(settings.dropout)
        self.fc1 = settings.linear(settings.length)
        self.fc2 = settings.linear(settings.length)
        convolutions = 2 if settings.scale_first else 1
        self.convs = nn.ModuleList(
            CausalConv(settings.heads, settings.kernel, settings.edge, settings.activation)
            for _ in range(convolutions)
        )

    def initialise(self) -> None:
        """Start from a scale of 1, where the time branch passes a signal and a gradient."""
        if self.settings.lively:
            nn.init.ones_(self.fc2.bias)

    def forward(self, gaps: Tensor) -> Tensor:
        """Equation (5), or the released order of its two factors."""
        scale = self.fc2(F.silu(self.fc1(self.dropout(gaps))))
        if self.settings.tanhshrink:
            scale = F.tanhshrink(scale)
        if self.settings.scale_first:
            return self._convolve(gaps * scale)
        return self._convolve(gaps) * scale

    def _convolve(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        for conv in self.convs:
            x = conv(x)
        return x.transpose(1, 2)


class TimeGate(nn.Module):
    """Gated residual of the time stream: ``LN(g d + (1 - g) e)``, with one gate per history and head."""

    no_decay = True

    def __init__(self, settings: TimeSettings) -> None:
        super().__init__()
        self.masked = settings.masked
        self.dropout = Dropout(settings.dropout)
        self.gate = settings.linear(settings.length if settings.pointwise_gate else 1)
        self.norm = settings.norm()

    def forward(self, gaps: Tensor, scale: Tensor, valid: Tensor | None) -> Tensor:
        """(B, H, L), (B, H, L), (B, L) bool or None -> (B, H, L)."""
        gate = torch.sigmoid(self.gate(self.dropout(gaps)))
        mixed = gate * gaps + (1 - gate) * scale
        return self.norm(mixed, None if valid is None else valid.unsqueeze(1))

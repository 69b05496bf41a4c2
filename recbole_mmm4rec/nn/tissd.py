"""Time-aware state-space duality block; the cross block is the same block with another stream's queries.

Source: equations (3) to (9) and (16), (17) of the MMM4Rec paper; where they are silent, the released code.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.convolution import CausalConv
from recbole_mmm4rec.nn.item_stream import Stream, through
from recbole_mmm4rec.nn.kernels import AUTO
from recbole_mmm4rec.nn.norm import GatedRMSNorm
from recbole_mmm4rec.nn.ssd import ssd
from recbole_mmm4rec.nn.tail import Tail

SKIPS = ("none", "x", "dt_x")
LEAST_STEP = 1e-3
"""Step sizes below it, the smallest of Mamba's start, approach 0 instead of falling on."""


@dataclass(frozen=True)
class SSDSettings:
    """Sizes and variants of a block.

    Attributes:
        width: D.
        expand: E = expand * D.
        head_dim: P; H = E / P.
        d_state: S.
        n_groups: G, divides H.
        d_conv: K.
        norm_eps: of the gated norm.
        skip: what is added to the scan: nothing (equation (9)), ``D x`` (Mamba-2) or ``D dt x`` (released).
        edge: padding of the convolutions (equation (4): edge; released code: zeros).
        bias_outside: one step bias per position, added after the softplus (equation (6)) and
            :func:`bounded below <bounded_below>`, instead of one per head, inside it (released code).
        length: L; needed only by ``bias_outside``.
        unit_steps: raw step sizes start around 1 instead of around 0, so that a time scale that multiplies
            them takes effect from the first step on.
        activation: of the convolutions.
        backend: what computes scan and convolutions on a GPU, see :mod:`recbole_mmm4rec.nn.kernels`.
    """

    width: int
    expand: int = 2
    head_dim: int = 64
    d_state: int = 64
    n_groups: int = 8
    d_conv: int = 4
    norm_eps: float = 1e-12
    skip: str = "dt_x"
    edge: bool = False
    bias_outside: bool = False
    length: int = 0
    unit_steps: bool = False
    activation: Callable[[Tensor], Tensor] = F.silu
    backend: str = AUTO

    @property
    def inner(self) -> int:
        """E."""
        return self.expand * self.width

    @property
    def heads(self) -> int:
        """H."""
        return self.inner // self.head_dim

    def __post_init__(self) -> None:
        """Refuse sizes that do not divide."""
        if self.inner % self.head_dim or self.heads % self.n_groups:
            head_dim = math.gcd(self.inner, self.head_dim)
            n_groups = math.gcd(self.inner // head_dim, self.n_groups)
            raise ValueError(
                f"head_dim {self.head_dim} must divide expand * hidden_size = {self.inner}, and n_groups "
                f"{self.n_groups} the {self.inner / self.head_dim:g} heads that makes; "
                f"these fit: head_dim {head_dim}, n_groups {n_groups}"
            )


def bounded_below(steps: Tensor) -> Tensor:
    """Positive steps: ``d`` from :data:`LEAST_STEP` = m on, below it ``m² / (2 m - d)``.

    Value and slope of both meet at m, and the gradient vanishes nowhere. A negative step would be a growth
    instead of a decay, which overflows.
    """
    least = LEAST_STEP
    tail = least**2 / (2 * least - steps.clamp_max(least))
    return torch.where(steps >= least, steps, tail)


class TiSSD(nn.Module):
    """``RMSNorm(ssd(...) * SiLU(z)) W``, with inputs from one stream and queries from the same or another.

    A history's inputs x, B and step sizes come from ``source``, the output maps C from ``query``, the gate z
    from ``gate``. All three equal: TiSSD. Source text, query image, gate their sum: the cross block.
    """

    def __init__(self, settings: SSDSettings) -> None:
        super().__init__()
        self.settings = s = settings
        maps = s.n_groups * s.d_state
        self.in_proj = nn.Linear(s.width, s.inner + maps + s.heads)
        self.query_proj = nn.Linear(s.width, maps)
        self.gate_proj = nn.Linear(s.width, s.inner)
        self.conv = CausalConv(s.inner + maps, s.d_conv, s.edge, s.activation, s.backend)
        self.query_conv = CausalConv(maps, s.d_conv, s.edge, s.activation, s.backend)
        self.a_log = nn.Parameter(torch.empty(s.heads))
        self.dt_bias = nn.Parameter(torch.empty(s.length if s.bias_outside else s.heads))
        self.skip = nn.Parameter(torch.ones(s.heads)) if s.skip != "none" else None
        self.norm = GatedRMSNorm(s.inner, s.norm_eps)
        self.out_proj = nn.Linear(s.inner, s.width)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Mamba-2's own start: decay rates in [1, 16], step sizes log-uniform in [0.001, 0.1]."""
        self.a_log.copy_(torch.empty_like(self.a_log).uniform_(1, 16).log())
        if self.settings.unit_steps:
            self.in_proj.bias[-self.settings.heads :] = 1.0
        if self.settings.bias_outside:
            self.dt_bias.zero_()
            return
        low, high = math.log(1e-3), math.log(1e-1)
        step = torch.empty_like(self.dt_bias).uniform_(low, high).exp().clamp_min(1e-4)
        self.dt_bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(
        self,
        source: Stream,
        query: Stream,
        gate: Stream,
        scale: Tensor | None = None,
        tail: Tail | None = None,
    ) -> Tensor:
        """All positions, or only the last ones.

        Args:
            source: (B, L, D).
            query: (B, L, D); with ``tail`` the rows of ``tail.wider(K - 1, L)``.
            gate: (B, L, D); with ``tail`` its rows, (B, size, D).
            scale: (B, L, H) multipliers of the raw step sizes, from the time branch; None: no time.
            tail: positions whose outputs are wanted; None: all.

        Returns:
            (B, L, D), or (B, size, D) with ``tail``.
        """
        s = self.settings
        mapped, raw_dt = through(self.in_proj, source).split([self.conv.weight.shape[0], s.heads], dim=-1)
        x, b = self.conv(mapped).split([s.inner, s.n_groups * s.d_state], dim=-1)
        x, b = x.unflatten(-1, (s.heads, s.head_dim)), b.unflatten(-1, (s.n_groups, s.d_state))
        c = self._queries(query, tail).unflatten(-1, (s.n_groups, s.d_state))
        dt = self._steps(raw_dt, scale)
        read = None if tail is None else tail.positions
        y = ssd(x, dt, -self.a_log.float().exp(), b, c, read, s.backend)
        if self.skip is not None:
            y = y + self._skipped(x, dt, tail)
        return self.out_proj(self.norm(y.flatten(2), through(self.gate_proj, gate)).to(source.dtype))

    def _queries(self, query: Stream, tail: Tail | None) -> Tensor:
        """Output maps C: projected, then convolved over their own past."""
        projected = through(self.query_proj, query)
        if tail is None:
            return self.query_conv(projected)
        if not self.settings.edge:
            projected = projected * Tail(tail.lengths, query.shape[1]).valid.unsqueeze(-1)
        return self.query_conv(projected)[:, -tail.size :]

    def _steps(self, raw: Tensor, scale: Tensor | None) -> Tensor:
        """Step sizes (B, L, H) in float32, equation (6)."""
        raw = raw.float() if scale is None else raw.float() * scale
        if self.settings.bias_outside:
            return bounded_below(F.softplus(raw) + self.dt_bias[: raw.shape[1], None].float())
        return F.softplus(raw + self.dt_bias.float()).clamp_min(torch.finfo(torch.float32).tiny)

    def _skipped(self, x: Tensor, dt: Tensor, tail: Tail | None) -> Tensor:
        """What an input adds to its own position beside the scan: (B, L or size, H, P) float32."""
        assert self.skip is not None
        if tail is not None:
            x, dt = tail.of(x.flatten(2)).unflatten(2, x.shape[2:]), tail.of(dt)
        factor = self.skip.float() * dt if self.settings.skip == "dt_x" else self.skip.float()
        return x.float() * factor.unsqueeze(-1)

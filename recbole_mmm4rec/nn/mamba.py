"""The Mamba-1 block. Source: Gu and Dao, "Mamba", 2023, section 3.4 and its initialisation."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.convolution import CausalConv
from recbole_mmm4rec.nn.selective_read import selective_read
from recbole_mmm4rec.nn.selective_scan import selective_scan
from recbole_mmm4rec.nn.tail import Tail


@dataclass(frozen=True)
class MambaSettings:
    """Sizes of a block.

    Attributes:
        width: D.
        d_state: S.
        d_conv: K.
        expand: E = expand * D.
        keep_step_init: step sizes start log-uniform in [0.001, 0.1], as Mamba wants them; else the model's
            ordinary initialiser runs over them, as in the released Mamba4Rec, and all start at softplus(0).
    """

    width: int
    d_state: int = 32
    d_conv: int = 4
    expand: int = 2
    keep_step_init: bool = True

    @property
    def inner(self) -> int:
        """E."""
        return self.expand * self.width

    @property
    def rank(self) -> int:
        """Width of the bottleneck before the step sizes, D / 16 rounded up."""
        return math.ceil(self.width / 16)


class SelectiveScan(nn.Module):
    """The scan's own parameters: decay rates ``A = -exp(a_log)`` (E, S) and the skip (E,)."""

    no_decay = True

    def __init__(self, inner: int, d_state: int) -> None:
        super().__init__()
        self.a_log = nn.Parameter(torch.empty(inner, d_state))
        self.skip = nn.Parameter(torch.empty(inner))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Decay rates 1..S in every channel, skip 1."""
        self.a_log.copy_(torch.arange(1, self.a_log.shape[1] + 1.0).log().expand_as(self.a_log))
        self.skip.fill_(1.0)

    def forward(self, u: Tensor, dt: Tensor, b: Tensor, c: Tensor, tail: Tail | None = None) -> Tensor:
        """(B, L, E), (B, L, E), (B, L, S), (B, L, S) -> (B, L or size, E) float32."""
        a = -self.a_log.float().exp()
        if tail is not None and tail.size == 1:
            scanned, u = selective_read(u, dt, a, b, c, tail.lengths).unsqueeze(1), tail.of(u)
        else:
            scanned = selective_scan(u, dt, a, b, c)
            scanned, u = (scanned, u) if tail is None else (tail.of(scanned), tail.of(u))
        return torch.addcmul(scanned, u.float(), self.skip.float())


class Mamba(nn.Module):
    """``(scan(conv(x W)) * SiLU(x W_z)) W_out``, no biases but the step sizes' own."""

    def __init__(self, settings: MambaSettings) -> None:
        super().__init__()
        self.settings = s = settings
        self.in_proj = nn.Linear(s.width, s.inner, bias=False)
        self.gate_proj = nn.Linear(s.width, s.inner, bias=False)
        self.conv = CausalConv(s.inner, s.d_conv)
        self.maps = nn.Linear(s.inner, s.rank + 2 * s.d_state, bias=False)
        self.dt_proj = nn.Linear(s.rank, s.inner)
        self.scan = SelectiveScan(s.inner, s.d_state)
        self.out_proj = nn.Linear(s.inner, s.width, bias=False)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Give the step sizes the start that an ordinary initialiser would erase."""
        if not self.settings.keep_step_init:
            return
        bound = self.settings.rank**-0.5
        self.dt_proj.weight.uniform_(-bound, bound)
        low, high = math.log(1e-3), math.log(1e-1)
        step = torch.empty_like(self.dt_proj.bias).uniform_(low, high).exp().clamp_min(1e-4)
        self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(self, x: Tensor, scale: Tensor | None = None, tail: Tail | None = None) -> Tensor:
        """All positions, or only the last ones.

        Args:
            x: (B, L, D).
            scale: (B, L, 1) multipliers of the raw step sizes; None: one.
            tail: positions whose outputs are wanted; None: all.

        Returns:
            (B, L, D), or (B, size, D) with ``tail``.
        """
        s = self.settings
        u = self.conv(self.in_proj(x))
        low_rank, b, c = self.maps(u).split([s.rank, s.d_state, s.d_state], dim=-1)
        raw = F.linear(low_rank, self.dt_proj.weight)
        raw = raw if scale is None else raw * scale
        dt = F.softplus(raw.float() + self.dt_proj.bias.float())
        y, gate = self.scan(u, dt, b, c, tail), x if tail is None else tail.of(x)
        return self.out_proj((y * F.silu(self.gate_proj(gate))).to(x.dtype))

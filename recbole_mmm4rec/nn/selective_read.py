"""The selective scan of Mamba-1 read at one position of every history: a sum over what came before it.

Unrolled, ``y_l = sum_j (dt u)_j sum_s C_ls B_js exp(A_s sum_{k=j+1..l} dt_k)`` for j <= l. Of one position
this costs no recurrence, and its backward pass no adjoint one. A last layer is read at one position only.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.selective_scan import SLAB, by_other_means, selective_scan
from recbole_mmm4rec.nn.tail import at_positions

FORGOTTEN = -86.0
"""Logarithm to base 2 of a decay from which on it is 0, see :mod:`~recbole_mmm4rec.nn.ssd`."""


def selective_read(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, lengths: Tensor) -> Tensor:
    """What :func:`~recbole_mmm4rec.nn.selective_scan.selective_scan` gives at the last positions.

    Args:
        u, dt: (B, L, E).
        a: (E, S).
        b, c: (B, L, S).
        lengths: (B,) int64, at least 1; what stands behind them is not read.

    Returns:
        (B, E) float32.
    """
    last = (lengths - 1).unsqueeze(1)
    if by_other_means(u):
        return at_positions(selective_scan(u, dt, a, b, c), last)[:, 0]
    with torch.autocast(u.device.type, enabled=False):
        valid = valid_positions(lengths, u.shape[1]).unsqueeze(-1)
        dt = dt.float() * valid
        # summed from the end: a difference of two sums from the start would lose digits
        since = F.pad(dt[:, 1:].flip(1).cumsum(1).flip(1), (0, 0, 0, 1))
        maps = b.float() * at_positions(c.float(), last)
        w = dt * u.float()
        # the last column is read without decay, or not at all where a history is shorter
        earlier: Tensor = _Read.apply(w[:, :-1], since[:, :-1], a.float().T.contiguous(), maps[:, :-1])
        return torch.addcmul(earlier, w[:, -1], maps[:, -1].sum(-1, keepdim=True))


class _Read(torch.autograd.Function):
    """``sum_j w_j sum_s m_js exp(A_s t_j)``, slab by slab; the backward pass takes the exponentials anew."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, since: Tensor, a: Tensor, maps: Tensor) -> Tensor:
        """(B, L, E), (B, L, E), (S, E) and (B, L, S) -> (B, E)."""
        ctx.save_for_backward(w, since, a, maps)
        y = w.new_empty(len(w), w.shape[2])
        for rows in _slabs(w, a):
            mixed = maps[rows].unsqueeze(2) @ _decays(since[rows], a)
            y[rows] = (w[rows] * mixed.squeeze(2)).sum(1)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of all four."""
        w, since, a, maps = ctx.saved_tensors
        grad_w, grad_since = torch.empty_like(w), torch.empty_like(w)
        grad_a, grad_maps = torch.zeros_like(a), torch.empty_like(maps)
        for rows in _slabs(w, a):
            decays, grad, m = _decays(since[rows], a), grads[0][rows].unsqueeze(1), maps[rows].unsqueeze(2)
            grad_w[rows] = grad * (m @ decays).squeeze(2)
            flow = decays * (grad * w[rows]).unsqueeze(2)
            grad_maps[rows] = flow.sum(-1)
            grad_since[rows] = (m @ torch.mul(flow, a, out=decays)).squeeze(2)
            by_rate = flow.mul_(since[rows].unsqueeze(2)).flatten(0, 1).transpose(0, 1)  # (S, n L, E)
            grad_a += (m.flatten(0, 1).permute(2, 1, 0) @ by_rate).squeeze(1)
        return grad_w, grad_since, grad_a, grad_maps


def _slabs(w: Tensor, a: Tensor) -> list[slice]:
    """Histories that are worked on together."""
    rows = max(1, SLAB.get(w.device.type, SLAB["cuda"]) // max(1, w.shape[1] * a.numel()))
    return [slice(start, start + rows) for start in range(0, len(w), rows)]


def _decays(since: Tensor, a: Tensor) -> Tensor:
    """``exp(A t)``, (n, L, E) and (S, E) -> (n, L, S, E)."""
    powers = since.unsqueeze(2) * (a / math.log(2))  # to base 2, twice as fast on a CPU
    return torch.threshold_(powers, FORGOTTEN, -torch.inf).exp2_()

"""State-space duality (Mamba-2): a linear recurrence with scalar decay, as masked attention.

``h_l = exp(A dt_l) h_{l-1} + dt_l B_l x_l^T`` and ``y_l = C_l h_l``. Unrolled, ``y = (decay * C B^T) (dt x)``
with ``decay[l, j] = exp(A sum_{k=j+1..l} dt_k)`` for j <= l: two matrix products and one masked exponential.
Source: Dao and Gu, "Transformers are SSMs", 2024; equations (7) to (9) of the MMM4Rec paper, whose diagonal
a_0 in (8) is read as the empty product 1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.kernels import TORCH, ssd_by_kernel, takes_kernel

QUADRATIC_UP_TO = 100
"""Longest history for which the quadratic form is the cheaper one; ``run_recbole.py --bench=growth`` says."""

FORGOTTEN = -60.0
"""Log of a decay from which on it is 0. Beside 1 such a number, 1e-26, is nothing to a float32, but its
products with gradients are denormal (below 1.2e-38), with which many processors compute many times slower."""


def ssd(
    x: Tensor,
    dt: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    at: Tensor | None = None,
    backend: str = TORCH,
) -> Tensor:
    """State-space duality in the form that is cheapest for this length.

    Args:
        x: (B, L, H, P) inputs.
        dt: (B, L, H) step sizes, positive.
        a: (H,) decay rates, negative.
        b: (B, L, G, S) input maps; a group serves H / G neighbouring heads.
        c: (B, Q, G, S) output maps at the positions ``at``.
        at: (B, Q) int64 positions at which outputs are wanted, 0-based; None: all, Q = L.
        backend: see :mod:`recbole_mmm4rec.nn.kernels`; a few positions are always computed by PyTorch.

    Returns:
        (B, Q, H, P) float32 without any skip term.
    """
    if at is None and takes_kernel(x, backend):
        return ssd_by_kernel(x, dt, a, b, c)
    if at is None and x.shape[1] > QUADRATIC_UP_TO:
        return ssd_linear(x, dt, a, b, c)
    if at is not None and at.shape[1] == 1:
        return ssd_read(x, dt, a, b, c, at)
    return ssd_quadratic(x, dt, a, b, c, at)


def ssd_read(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, at: Tensor) -> Tensor:
    """The form for one position, a weighted sum of inputs; arguments and result as :func:`ssd`, with Q = 1.

    Products of a row with a matrix for every head of every history cost more to start than to compute.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, dt, b, c = x.float(), dt.float(), b.float(), c.float()
        similarity = _per_head((b * c).sum(-1), x.shape[2], 2)  # (B, L, H)
        weights = _decay(_log_decay(dt, a), at).squeeze(2).transpose(1, 2) * dt * similarity
        return (x * weights.unsqueeze(-1)).sum(1, keepdim=True)


def ssd_quadratic(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, at: Tensor | None = None) -> Tensor:
    """The attention-like form, O(Q L); arguments and result as :func:`ssd`."""
    with torch.autocast(x.device.type, enabled=False):
        x, dt, b, c = x.float(), dt.float(), b.float(), c.float()
        weights = _decay(_log_decay(dt, a), at) * dt.transpose(1, 2).unsqueeze(2)
        similarity = c.transpose(1, 2) @ b.permute(0, 2, 3, 1)  # (B, G, Q, L)
        weights = _per_head(similarity, x.shape[2]) * weights
        return (weights @ x.transpose(1, 2)).transpose(1, 2)


def _log_decay(dt: Tensor, a: Tensor) -> Tensor:
    """Logarithm of the decay since the first position: (B, L, H), (H,) -> (B, H, L) float64.

    In float64, for it grows with L while the differences that matter stay small.
    """
    return (dt.double() * a.double()).cumsum(1).transpose(1, 2)


def _decay(log_decay: Tensor, at: Tensor | None) -> Tensor:
    """``exp(log_decay_q - log_decay_j)`` for j <= q and 0 elsewhere: (B, H, L) -> (B, H, Q, L) float32."""
    length = log_decay.shape[-1]
    key = torch.arange(length, device=log_decay.device)
    if at is None:
        reachable = key <= key.unsqueeze(1)
        from_query = log_decay
    else:
        reachable = (key <= at.unsqueeze(-1)).unsqueeze(1)
        index = at.unsqueeze(1).expand(-1, log_decay.shape[1], -1)
        from_query = log_decay.gather(2, index)
    difference = (from_query.unsqueeze(-1) - log_decay.unsqueeze(-2)).float()
    return _remembered(difference.masked_fill(~reachable, -torch.inf))


def _remembered(log_decay: Tensor) -> Tensor:
    """``exp(log_decay)``, exactly 0 from :data:`FORGOTTEN` on."""
    return F.threshold(log_decay, FORGOTTEN, -torch.inf).exp()


def _per_head(x: Tensor, heads: int, dim: int = 1) -> Tensor:
    """(..., G, ...) -> (..., H, ...) along ``dim``, every group repeated for its heads."""
    groups = x.shape[dim]
    return x if groups == heads else x.repeat_interleave(heads // groups, dim=dim)


def ssd_linear(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, chunk: int = 64) -> Tensor:
    """The form that is linear in L: quadratic inside chunks, a recurrence of states between them.

    Arguments and result as :func:`ssd`, for all positions.
    """
    length = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):
        state = x.new_zeros(x.shape[0], x.shape[2], b.shape[3], x.shape[3], dtype=torch.float32)
        outputs = []
        for start in range(0, length, chunk):
            part = slice(start, start + chunk)
            y, state = _chunk(x[:, part], dt[:, part], a, b[:, part], c[:, part], state)
            outputs.append(y)
        return torch.cat(outputs, 1)


def _chunk(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One chunk's outputs (B, L, H, P) and the state (B, H, S, P) that it hands on."""
    x, dt, heads, log_decay = x.float(), dt.float(), x.shape[2], _log_decay(dt, a)
    b = _per_head(b.float().transpose(1, 2), heads)  # (B, H, L, S)
    c = _per_head(c.float().transpose(1, 2), heads)
    scaled = x.transpose(1, 2) * dt.transpose(1, 2).unsqueeze(-1)  # (B, H, L, P)
    inside = (c @ b.mT * _decay(log_decay, None)) @ scaled
    since_start = _remembered(log_decay).float().unsqueeze(-1)
    to_end = _remembered(log_decay[..., -1:] - log_decay).float().unsqueeze(-1)
    carried = (c @ state) * since_start
    state = state * since_start[:, :, -1:] + b.mT @ (scaled * to_end)
    return (inside + carried).transpose(1, 2), state

"""The selective scan of Mamba-1: a linear recurrence whose decay differs by channel and by state.

``h_l = exp(dt_l A) h_{l-1} + dt_l u_l B_l`` and ``y_l = C_l h_l`` with A (E, S), so that there is no form as
masked attention as in :mod:`~recbole_mmm4rec.nn.ssd`. Source: Gu and Dao, "Mamba", 2023, equation (2) and
algorithm 2.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SLAB = {"cpu": 1 << 20, "cuda": 1 << 27}
"""States (numbers, not bytes) worked on at a time: on a CPU they should stay in its cache."""


def selective_scan(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Scan all positions; by the kernel of ``mamba-ssm`` on a GPU where that is installed.

    Args:
        u: (B, L, E) inputs.
        dt: (B, L, E) step sizes, positive.
        a: (E, S) decay rates, negative.
        b: (B, L, S) input maps.
        c: (B, L, S) output maps.

    Returns:
        (B, L, E) float32, without skip term and gate.
    """
    with torch.autocast(u.device.type, enabled=False):
        u, dt, a, b, c = (tensor.float() for tensor in (u, dt, a, b, c))
        if torch.compiler.is_compiling():  # slabs depend on the batch, which an exported graph leaves open
            return selective_scan_plain(u, dt, a, b, c)[0]
        if u.is_cuda and _kernel() is not None:
            return _by_kernel(u, dt, a, b, c)
        return _time_major_scan(u, dt, a, b, c)


def by_other_means(u: Tensor) -> bool:
    """Whether :func:`selective_scan` leaves the work to a kernel, or takes the plain form for a graph."""
    return torch.compiler.is_compiling() or (u.is_cuda and _kernel() is not None)


def selective_scan_plain(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The recurrence as it is written: for tests and exported graphs.

    Returns:
        (B, L, E) outputs and the last state (B, E, S).
    """
    state = torch.zeros(u.shape[0], *a.shape, dtype=u.dtype, device=u.device)
    outputs = []
    for position in range(u.shape[1]):
        step = dt[:, position].unsqueeze(-1)
        added = step * u[:, position].unsqueeze(-1) * b[:, position].unsqueeze(1)
        state = torch.exp(step * a) * state + added
        outputs.append((state * c[:, position].unsqueeze(1)).sum(-1))
    return torch.stack(outputs, 1), state


@lru_cache(maxsize=1)
def _kernel() -> Callable[..., Tensor] | None:
    """``selective_scan_fn`` of mamba-ssm, layout (B, channels, L), or None where it cannot be imported."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except ImportError:
        return None
    return selective_scan_fn


def _by_kernel(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    kernel = _kernel()
    assert kernel is not None
    u, dt, b, c = (tensor.transpose(1, 2).contiguous() for tensor in (u, dt, b, c))
    return kernel(u, dt, a, b, c).transpose(1, 2)


def _time_major_scan(u: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    w, dt, b, c = (tensor.transpose(0, 1).contiguous() for tensor in (dt * u, dt, b, c))
    return _SlabScan.apply(w, dt, a.T.contiguous(), b, c).transpose(0, 1)


class _SlabScan(torch.autograd.Function):
    """The recurrence over slabs of histories; backward computes the states again instead of keeping them.

    B x L x E x S states are gigabytes for an ordinary batch. Slab by slab they never leave the cache. Within
    a slab positions come first and channels last, so that a step is one contiguous block of long rows.
    """

    @staticmethod
    def forward(ctx: Any, w: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """``w`` is ``dt * u``; time-major (L, B, ...) throughout, and ``a`` is (S, E)."""
        ctx.save_for_backward(w, dt, a, b, c)
        y, work = torch.empty_like(w), _Workspace(w, a, 2)
        for rows in work.slabs:
            _, states = _states(work, w[:, rows], dt[:, rows], a, b[:, rows])
            y[:, rows] = (c[:, rows].unsqueeze(2) @ states).squeeze(2)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """The adjoint recurrence, run from the last position to the first."""
        w, dt, a, b, c = ctx.saved_tensors
        grad_w, grad_dt, grad_a = torch.empty_like(w), torch.zeros_like(dt), torch.zeros_like(a)
        grad_b, grad_c = torch.empty_like(b), torch.empty_like(c)
        work = _Workspace(w, a, 4)
        for rows in work.slabs:
            grad, steps = grads[0][:, rows], dt[1:, rows]
            decay, states = _states(work, w[:, rows], dt[:, rows], a, b[:, rows])
            adjoint = _adjoint(work, grad, decay, c[:, rows])
            spare = work.tensor(3, grad.shape[1])
            grad_c[:, rows] = torch.mul(states, grad.unsqueeze(2), out=spare).sum(-1)
            grad_b[:, rows] = torch.mul(adjoint, w[:, rows].unsqueeze(2), out=spare).sum(-1)
            grad_w[:, rows] = (b[:, rows].unsqueeze(2) @ adjoint).squeeze(2)
            flow = adjoint[1:].mul_(states[:-1]).mul_(decay[1:])  # gradient of the logarithm of the decay
            grad_dt[1:, rows] = torch.mul(flow, a, out=spare[1:]).sum(2)
            grad_a += flow.mul_(steps.unsqueeze(2)).sum((0, 1))
        return grad_w, grad_dt, grad_a, grad_b, grad_c


class _Workspace:
    """Memory for the states of one slab, used again for the next: fresh memory costs page faults."""

    def __init__(self, w: Tensor, a: Tensor, buffers: int) -> None:
        length, batch, (states, inner) = w.shape[0], w.shape[1], a.shape
        rows = min(max(1, SLAB.get(w.device.type, SLAB["cuda"]) // (length * a.numel())), batch)
        self.shape = (length, states, inner)
        self.slabs = [slice(start, start + rows) for start in range(0, batch, max(rows, 1))]
        self.buffers = w.new_empty(buffers, length * rows * a.numel())

    def tensor(self, number: int, rows: int) -> Tensor:
        """Buffer ``number`` as (L, rows, S, E)."""
        length, states, inner = self.shape
        shape = (length, rows, states, inner)
        return self.buffers[number, : length * rows * states * inner].view(shape)


def _states(work: _Workspace, w: Tensor, dt: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Decays and states of a slab, (L, n, S, E) each; nothing decays before the first position."""
    decay, states = (work.tensor(number, w.shape[1]) for number in (0, 1))
    torch.mul(dt[1:].unsqueeze(2), a / math.log(2), out=decay[1:]).exp2_()  # twice as fast as exp on a CPU
    torch.mul(w.unsqueeze(2), b.unsqueeze(-1), out=states)
    for position in range(1, len(w)):
        states[position].addcmul_(decay[position], states[position - 1])
    return decay, states


def _adjoint(work: _Workspace, grad: Tensor, decay: Tensor, c: Tensor) -> Tensor:
    """Gradient of the states (L, n, S, E) from the gradient (L, n, E) of the outputs."""
    adjoint = torch.mul(grad.unsqueeze(2), c.unsqueeze(-1), out=work.tensor(2, grad.shape[1]))
    for position in range(len(grad) - 2, -1, -1):
        adjoint[position].addcmul_(decay[position + 1], adjoint[position + 1])
    return adjoint

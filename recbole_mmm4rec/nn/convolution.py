"""Depthwise causal convolution as shifted multiply-adds.

A kernel of width 4 over a history of 20 is four fused multiply-adds; calling a general convolution for it
costs two transposes and, on a CPU, several times the work.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.kernels import CONV_WIDTHS, TORCH, conv_by_kernel, takes_kernel

SLAB = 1 << 19
"""Numbers worked on at a time on a CPU: each is read K times, and should still lie in the cache."""


class _CausalConvolution(torch.autograd.Function):
    """Written out because autograd would keep K shifted copies of the input and of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, edge: bool) -> Tensor:
        """``y_l = bias + sum_k weight_k x_{l-k}``; before the first position zeros or, at the edge, x_0."""
        ctx.edge = edge
        ctx.save_for_backward(x, weight)
        taps, y = _taps(weight), torch.empty_like(x)
        for rows in _slabs(x):
            source, result = x[rows], y[rows]
            torch.addcmul(bias, source, taps[0], out=result)
            for shift in range(1, min(len(taps), x.shape[1])):
                result[:, shift:].addcmul_(source[:, :-shift], taps[shift])
            if edge and len(taps) > 1:
                before = _before_first(taps, x.shape[1])
                result[:, : len(before)].addcmul_(source[:, :1], before)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """The input's gradient is the same convolution run backwards."""
        x, weight = ctx.saved_tensors
        taps, grad_x = _taps(weight), torch.empty_like(x)
        exact = torch.promote_types(x.dtype, torch.float32)
        grad_taps = torch.zeros_like(taps, dtype=exact)
        grad_bias = torch.zeros_like(taps[0], dtype=exact)
        for rows in _slabs(x):
            source, grad, result = x[rows], grads[0][rows], grad_x[rows]
            grad_bias += grad.sum((0, 1))
            grad_taps[0] += (source * grad).sum((0, 1))
            torch.mul(grad, taps[0], out=result)
            for shift in range(1, min(len(taps), x.shape[1])):
                result[:, :-shift].addcmul_(grad[:, shift:], taps[shift])
                grad_taps[shift] += (source[:, :-shift] * grad[:, shift:]).sum((0, 1))
            if ctx.edge and len(taps) > 1:
                _add_edge_gradients(source, grad, taps, result, grad_taps)
        return grad_x, grad_taps.flip(0).T.to(weight.dtype), grad_bias.to(weight.dtype), None


def _taps(weight: Tensor) -> Tensor:
    """(C, K) -> (K, C), the tap of the current position first.

    Contiguous: a product with a column of ``weight`` takes four times as long.
    """
    return weight.T.flip(0).contiguous()


def _slabs(x: Tensor) -> Iterator[slice]:
    """Rows of x (B, L, C) that are worked on together."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():  # an exported graph leaves the batch open
        yield slice(None)
        return
    rows = max(1, SLAB // max(1, x.shape[1] * x.shape[2]))
    for start in range(0, len(x), rows):
        yield slice(start, start + rows)


def _before_first(taps: Tensor, length: int) -> Tensor:
    """Sums of the taps that reach back beyond the first position: (at most K - 1, C), by position."""
    return taps[1:].flip(0).cumsum(0).flip(0)[:length]


def _add_edge_gradients(x: Tensor, grad: Tensor, taps: Tensor, grad_x: Tensor, grad_taps: Tensor) -> None:
    """Add to both gradients what comes from the first position where it stands before itself."""
    before = _before_first(taps, x.shape[1])
    early = grad[:, : len(before)]
    grad_x[:, 0] += (early * before).sum(1)
    met = (early * x[:, :1]).sum(0).cumsum(0)  # tap k lies outside at the positions 0 to k - 1
    grad_taps[1:] += met[torch.arange(len(taps) - 1, device=x.device).clamp_max(len(met) - 1)]


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor, edge: bool = False, backend: str = TORCH) -> Tensor:
    """Convolve every channel along the history, looking back only.

    Args:
        x: (B, L, C) float.
        weight: (C, 1, K), the last tap multiplies the current position (the layout of ``torch.nn.Conv1d``).
        bias: (C,).
        edge: what stands before the first position: zeros, or the first position again
            (equation (4) of the MMM4Rec paper).
        backend: see :mod:`recbole_mmm4rec.nn.kernels`.

    Returns:
        (B, L, C), in the dtype of ``x``.
    """
    taps, bias = weight[:, 0].to(x.dtype), bias.to(x.dtype)
    if takes_kernel(x, backend) and weight.shape[-1] in CONV_WIDTHS:
        return conv_by_kernel(x, taps, bias, edge)
    return _CausalConvolution.apply(x, taps, bias, edge)


class CausalConv(torch.nn.Module):
    """A depthwise causal convolution and an activation, with the parameters of ``torch.nn.Conv1d``.

    Args:
        channels: C.
        kernel: K.
        edge: see :func:`causal_conv`.
        activation: applied to the result.
        backend: see :mod:`recbole_mmm4rec.nn.kernels`.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        edge: bool = False,
        activation: Callable[[Tensor], Tensor] = F.silu,
        backend: str = TORCH,
    ) -> None:
        super().__init__()
        template = torch.nn.Conv1d(channels, channels, kernel, groups=channels)
        assert template.bias is not None
        self.weight, self.bias = template.weight, template.bias
        self.edge, self.activation, self.backend = edge, activation, backend

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, L, C)."""
        return self.activation(causal_conv(x, self.weight, self.bias, self.edge, self.backend))

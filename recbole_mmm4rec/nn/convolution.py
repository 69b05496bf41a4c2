"""Depthwise causal convolution as shifted multiply-adds.

A kernel of width 4 over a history of 20 is four fused multiply-adds; calling a general convolution for it
costs two transposes and, on a CPU, several times the work.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class _CausalConvolution(torch.autograd.Function):
    """Written out because autograd would keep K shifted copies of the input and of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """``y_l = bias + sum_k weight_k x_{l-k}`` with zeros before the first position."""
        ctx.save_for_backward(x, weight)
        y = torch.addcmul(bias, x, weight[:, -1])
        for shift in range(1, min(weight.shape[1], x.shape[1])):
            y[:, shift:].addcmul_(x[:, :-shift], weight[:, -1 - shift])
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The input's gradient is the same convolution run backwards."""
        (grad,) = grads
        x, weight = ctx.saved_tensors
        grad_x = grad * weight[:, -1]
        grad_weight = torch.zeros_like(weight)
        grad_weight[:, -1] = (x * grad).sum((0, 1))
        for shift in range(1, min(weight.shape[1], x.shape[1])):
            grad_x[:, :-shift].addcmul_(grad[:, shift:], weight[:, -1 - shift])
            grad_weight[:, -1 - shift] = (x[:, :-shift] * grad[:, shift:]).sum((0, 1))
        return grad_x, grad_weight, grad.sum((0, 1))


def causal_conv(x: Tensor, weight: Tensor, bias: Tensor, edge: bool = False) -> Tensor:
    """Convolve every channel along the history, looking back only.

    Args:
        x: (B, L, C) float.
        weight: (C, 1, K), the last tap multiplies the current position (the layout of ``torch.nn.Conv1d``).
        bias: (C,).
        edge: what stands before the first position: zeros, or the first position again
            (equation (4) of the MMM4Rec paper).

    Returns:
        (B, L, C), in the dtype of ``x``.
    """
    taps, bias = weight[:, 0].to(x.dtype), bias.to(x.dtype)
    if not edge:
        return _CausalConvolution.apply(x, taps, bias)
    before = weight.shape[-1] - 1
    padded = torch.cat([x[:, :1].expand(-1, before, -1), x], dim=1)
    return _CausalConvolution.apply(padded, taps, bias)[:, before:]


class CausalConv(torch.nn.Module):
    """A depthwise causal convolution and an activation, with the parameters of ``torch.nn.Conv1d``.

    Args:
        channels: C.
        kernel: K.
        edge: see :func:`causal_conv`.
        activation: applied to the result.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        edge: bool = False,
        activation: Callable[[Tensor], Tensor] = F.silu,
    ) -> None:
        super().__init__()
        template = torch.nn.Conv1d(channels, channels, kernel, groups=channels)
        assert template.bias is not None
        self.weight, self.bias = template.weight, template.bias
        self.edge, self.activation = edge, activation

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> (B, L, C)."""
        return self.activation(causal_conv(x, self.weight, self.bias, self.edge))

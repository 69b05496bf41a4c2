"""Normalisations that torch does not have."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class _GatedRMSNorm(torch.autograd.Function):
    """Written out because autograd would keep every product on the way; here they are made once more."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gate: Tensor, weight: Tensor, eps: float) -> Tensor:
        """``g / rms(g) * weight`` with ``g = y * SiLU(gate)``, for (..., width) and (width,)."""
        gated = y * F.silu(gate)
        scale = (gated.square().mean(-1, keepdim=True) + eps).rsqrt()
        ctx.save_for_backward(y, gate, weight, scale)
        return gated.mul_(scale).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Of a norm: the cotangent without its share along the result, scaled alike."""
        y, gate, weight, scale = ctx.saved_tensors
        silu = F.silu(gate)
        normed = (y * silu).mul_(scale)
        along = grads[0] * normed
        grad_weight = along.reshape(-1, len(weight)).sum(0)
        share = along.mul_(weight).mean(-1, keepdim=True)
        grad_gated = normed.mul_(-share).addcmul_(grads[0], weight).mul_(scale)
        grad_gate = torch.ops.aten.silu_backward(y * grad_gated, gate)
        return grad_gated.mul_(silu), grad_gate, grad_weight, None


class GatedRMSNorm(nn.Module):
    """Root-mean-square norm of a gated vector, ``RMSNorm(y * SiLU(z))`` (the Mamba-2 block).

    Args:
        width: size of the last dimension; one group.
        eps: added to the mean square.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, y: Tensor, gate: Tensor) -> Tensor:
        """(..., width), (..., width) -> (..., width), computed in float32."""
        normed: Tensor = _GatedRMSNorm.apply(y.float(), gate.float(), self.weight.float(), self.eps)
        return normed


class MaskedLayerNorm(nn.LayerNorm):
    """Layer norm over the valid entries of the last dimension; the others come out as 0.

    With every entry valid it is ``torch.nn.LayerNorm``. A row with one valid entry gives the bias there.
    """

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(..., L) float and (..., L) bool -> (..., L); one pass would lose raw seconds' variance."""
        if valid is None:
            return super().forward(x)
        mask = valid.to(x.dtype)
        count = mask.sum(-1, keepdim=True).clamp_min(1)
        centred = (x - (x * mask).sum(-1, keepdim=True) / count) * mask
        variance = centred.square().sum(-1, keepdim=True) / count
        return (centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias) * mask

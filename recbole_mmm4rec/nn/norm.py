"""Normalisations that torch does not have."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
        gated = y.float() * F.silu(gate.float())
        return F.rms_norm(gated, self.weight.shape, self.weight.float(), self.eps)


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

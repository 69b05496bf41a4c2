"""Layers over the positions of a history that look back only: position t reads the positions 0 to t.

So the output at a position is the same whether the history ends there or goes on, and pads need no mask.
"""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.norm import MaskedLayerNorm

LEAST_VARIANCE = 1e-3
"""Added to the variance of a prefix: one of equal values has none, and so would have endless gradients."""


class CausalLinear(nn.Linear):
    """A linear map over L positions whose output at t multiplies the inputs up to t.

    Args:
        length: L.
        rows: of the weight: L, one per output position; or 1, which all of them share: position t then has
            what a map to one number makes of the history that ends there.
    """

    def __init__(self, length: int, rows: int) -> None:
        super().__init__(length, rows)

    def forward(self, x: Tensor) -> Tensor:
        """(..., L) -> (..., L)."""
        weight = self.weight.expand(self.in_features, -1).tril()
        return x @ weight.T.to(x.dtype) + self.bias


class RunningNorm(MaskedLayerNorm):
    """Layer norm at every position over the history up to it; pads come out as 0.

    The value at t is that of a layer norm over the history that ends at t, with :data:`LEAST_VARIANCE`.
    """

    def __init__(self, length: int) -> None:
        super().__init__(length, eps=LEAST_VARIANCE)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(..., L) float and (..., L) bool (None: no pads) -> (..., L)."""
        count = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
        centred = x - x.cumsum(-1) / count
        # Welford's sum of positive terms: the mean square less the squared mean would cancel digits
        variance = (centred.square() * (count / (count - 1).clamp_min(1))).cumsum(-1) / count
        normalised = centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        return normalised if valid is None else normalised * valid

"""What a history has in the place of an item without the modality."""

import torch
from torch import Tensor, nn


class Absent(nn.Module):
    """A learnt vector for items whose own is all zeros; pads, which nothing reads, get it too.

    For streams without positions: at zero a layer norm multiplies gradients by ``eps ** -0.5``, the block
    after it says zero again, and a few layers of that overflow.

    Args:
        width: D.
        std: of its start.
    """

    def __init__(self, width: int, std: float) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(width) * std)

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return torch.where(vectors.any(-1, keepdim=True), vectors, self.vector.to(vectors.dtype))

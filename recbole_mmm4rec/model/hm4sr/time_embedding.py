"""When an interaction happened as a vector: the gap before it and the moment itself (HM4SR)."""

import math

import torch
from torch import Tensor, nn


class MomentEmbedding(nn.Module):
    """``[E_b ; cos(f (w t + b'))]`` with ``b = floor(k log2(gap + 1))`` and ``f_d = 10000^(-d / D)``.

    Args:
        width: D.
        per_octave: k, buckets between a gap and twice as long a gap.
        longest: seconds; longer gaps share its bucket.
    """

    no_decay = True

    frequencies: Tensor

    def __init__(self, width: int, per_octave: int, longest: float) -> None:
        super().__init__()
        self.per_octave = per_octave
        self.gap = nn.Embedding(1 + math.floor(per_octave * math.log2(longest + 1)), width)
        self.moment = nn.Linear(1, width)
        self.register_buffer("frequencies", 1e4 ** (-torch.arange(width) / width), persistent=False)

    def forward(self, gaps: Tensor, moments: Tensor) -> Tensor:
        """Embed a history.

        Args:
            gaps: (B, W) float32 seconds since the interaction before, at least 0.
            moments: (B, W) float32, in a unit in which a history spans a few hundred at most.

        Returns:
            (B, W, 2 D) float32.
        """
        buckets = (self.per_octave * torch.log2(gaps + 1)).floor().long()
        # as products of elements, because bfloat16 has no place for the moments of a decade
        phase = moments.unsqueeze(-1) * self.moment.weight[:, 0] + self.moment.bias
        near = self.gap(buckets.clamp(0, self.gap.num_embeddings - 1))
        return torch.cat([near, torch.cos(self.frequencies * phase)], dim=-1)

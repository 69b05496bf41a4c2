"""Candidate vectors such that a score is one inner product, ``u . n``, whatever the fusion."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FUSIONS = ("static", "dynamic_shared", "dynamic_instance")
LEAST_ROWS = 8
"""Fewer rows may take another way through BLAS, which rounds the last columns of a product differently."""


def enough_rows(users: Tensor) -> Tensor:
    """The rows (B, D), repeated where they are so few that equal items would get different scores."""
    return users if len(users) >= LEAST_ROWS else users.repeat(-(-LEAST_ROWS // max(1, len(users))), 1)


class CandidateFusion(nn.Module):
    """``sum_m w_m a_m / tau``: a user's sum of products with every modality is one product with this sum.

    Args:
        modalities: names in the order of the weights.
        rows: N + 1, for one weight pair an item.
        temperature: tau.
        fusion: ``static`` (w = 1), ``dynamic_shared`` (softmax of one learnt number per modality) or
            ``dynamic_instance`` (softmax of one per modality and item).
        normalise: L2-normalise every modality's vector (released code) or leave it (equation (19)).
        rescale_missing: weigh the modalities that an item has up to the sum of all.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        rows: int,
        temperature: float,
        fusion: str = "static",
        normalise: bool = True,
        rescale_missing: bool = False,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"item_mm_fusion: {fusion!r} is not one of {', '.join(FUSIONS)}")
        self.modalities, self.temperature = modalities, temperature
        self.normalise, self.rescale_missing = normalise, rescale_missing
        shape = {"static": None, "dynamic_shared": (len(modalities),)}.get(fusion, (rows, len(modalities)))
        self.logits = None if shape is None else nn.Parameter(torch.zeros(shape))

    def forward(
        self, table: Mapping[str, Tensor], present: Mapping[str, Tensor], items: Tensor | None = None
    ) -> Tensor:
        """(n, D) and (n, 1) bool per modality -> (n, D), for the catalogue rows ``items`` (None: all)."""
        vectors = torch.stack([self._direction(table[name]) for name in self.modalities])
        if self.rescale_missing:
            have = torch.stack([present[name] for name in self.modalities]).sum(0).clamp_min(1)
            vectors = vectors * (len(self.modalities) / have)
        if self.logits is None:
            return vectors.sum(0) / self.temperature
        logits = self.logits if self.logits.ndim == 1 or items is None else self.logits[items]
        weights = logits.softmax(-1).movedim(-1, 0)
        return (vectors * weights.view(len(self.modalities), -1, 1)).sum(0) / self.temperature

    def _direction(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) if self.normalise else vectors

"""MISSRec's scores: cosines of all modalities, weighed for every user and candidate by themselves."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_NEVER = -1e4  # a weight's logarithm that leaves nothing of it


class CandidateWeighing(nn.Module):
    """``s = sum_m c_m softmax_m(w c_m)`` of cosines c_m; with ids ``(c_id + M s) / (M + 1)``.

    Args:
        modalities: M, their number; one needs no weights, whatever ``weighing``.
        rows: N + 1.
        weighing: ``static`` (w = 0, the mean), ``dynamic_shared`` (one learnt w) or ``dynamic_instance`` (one
            per candidate).
        temperature: divides the scores.
        add_single: with ids and one modality, the score is the cosine of the sum of both vectors, as in the
            released code, and not the mean of their cosines.
    """

    def __init__(
        self, modalities: int, rows: int, weighing: str, temperature: float, add_single: bool = False
    ) -> None:
        super().__init__()
        self.modalities, self.temperature = modalities, temperature
        self.add_single = add_single and modalities == 1
        shape = {"dynamic_shared": (), "dynamic_instance": (rows,)}.get(weighing)
        self.factor = None if shape is None or modalities == 1 else nn.Parameter(torch.zeros(shape))

    def candidates(
        self, vectors: list[Tensor], ids: Tensor | None, there: Tensor, items: Tensor | None
    ) -> Tensor:
        """What :meth:`scores` reads, (n, C); with static weights vectors (n, D) for plain products.

        Args:
            vectors: (n, D) per modality.
            ids: (n, D), or None.
            there: (n, M) bool, the modalities that count.
            items: (n,) int64 rows of the catalogue; None: all.
        """
        if self.add_single and ids is not None:
            return F.normalize(vectors[0] + ids, dim=-1) / self.temperature
        cosines = [F.normalize(v, dim=-1) for v in vectors]
        own = None if ids is None else F.normalize(ids, dim=-1)
        if self.factor is None:
            counts = there.sum(1, keepdim=True).clamp_min(1)
            fused = sum(v * there[:, m : m + 1] for m, v in enumerate(cosines)) / counts
            assert isinstance(fused, Tensor)
            return self._with_id(fused, own) / self.temperature
        factor = self.factor if self.factor.ndim == 0 or items is None else self.factor[items]
        columns = [factor.expand(len(there)).unsqueeze(1), torch.where(there, 0.0, _NEVER)]
        return torch.cat([*columns, *cosines, *([] if own is None else [own])], dim=1)

    def scores(self, users: Tensor, candidates: Tensor) -> Tensor:
        """(..., B, D) of length 1, (..., n, C) -> (..., B, n)."""
        if self.factor is None:
            return users @ candidates.mT
        sizes = [1, *[1] * self.modalities, candidates.shape[-1] - 1 - self.modalities]
        factor, *absent, vectors = candidates.split(sizes, dim=-1)
        cosines = [users @ part.mT for part in vectors.split(users.shape[-1], dim=-1)]
        logits = [factor.mT * c + a.mT for c, a in zip(cosines, absent, strict=False)]
        weights = torch.stack(logits).softmax(0)
        fused = (weights * torch.stack(cosines[: self.modalities])).sum(0)
        own = cosines[self.modalities] if len(cosines) > self.modalities else None
        return self._with_id(fused, own) / self.temperature

    def _with_id(self, fused: Tensor, own: Tensor | None) -> Tensor:
        return fused if own is None else (own + self.modalities * fused) / (self.modalities + 1)

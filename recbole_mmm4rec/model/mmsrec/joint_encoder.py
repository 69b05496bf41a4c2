"""MMSRec's one network for histories and candidates: a Transformer over image and text tokens together.

Source: Song et al., "Self-supervised multi-modal sequential recommendation", 2023 (arXiv 2304.13277).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.chunks import in_chunks
from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.transformer import TransformerSettings, TransformerStack, key_mask_or_all

ABSENT = -1e4
"""What a modality that is not there has to say in the maximum over modalities."""


class MapAndNorm(nn.Sequential):
    """``LN(W x + b)``."""

    def __init__(self, inputs: int, width: int, eps: float) -> None:
        super().__init__(nn.Linear(inputs, width), nn.LayerNorm(width, eps))


class JointEncoder(nn.Module):
    """Tokens + positions + types -> Transformer -> a map per modality -> maximum over modalities.

    Args:
        inputs: widths of the frozen features, by modality.
        settings: of the Transformer.
        positions: number of positions.
        dropout: of embedded tokens.
    """

    def __init__(
        self, inputs: Mapping[str, int], settings: TransformerSettings, positions: int, dropout: float
    ) -> None:
        super().__init__()
        width, eps = settings.width, settings.eps
        self.inputs = nn.ModuleDict({name: MapAndNorm(size, width, eps) for name, size in inputs.items()})
        self.types = nn.ModuleDict({name: nn.Embedding(1, width) for name in inputs})
        self.mask = nn.Embedding(1, width)
        self.position = nn.Embedding(positions, width)
        self.layer_norm, self.dropout = nn.LayerNorm(width, eps), Dropout(dropout)
        self.stack, self.final_norm = TransformerStack(settings), nn.LayerNorm(width, eps)
        self.outputs = nn.ModuleDict({name: MapAndNorm(width, width, eps) for name in inputs})

    def forward(
        self,
        tokens: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None,
        positions: Tensor,
        read: Tensor | None = None,
    ) -> Tensor:
        """One vector per slot.

        Args:
            tokens: (B, S, D) per modality; of all modalities or some.
            present: (B, S) bool per modality, which tokens exist; None: all. A slot without any token adds
                nothing to the others and gets no meaningful vector.
            positions: (B, S) or (S,) int64 positions of the slots.
            read: (B, 1) int64, the slot whose vector is wanted; None: all of them.

        Returns:
            (B, S, D), or (B, 1, D) with ``read``.
        """
        names, slots = list(tokens), next(iter(tokens.values())).shape[1]
        place = self.position(positions)
        x = torch.cat([tokens[name] + (place + self.types[name].weight) for name in names], dim=1)
        mask = None if present is None else key_mask_or_all(torch.cat([present[n] for n in names], dim=1))
        rows = None if read is None else torch.cat([read + slots * at for at in range(len(names))], dim=1)
        states = self.final_norm(self.stack(self.dropout(self.layer_norm(x)), mask, rows))
        parts = states.chunk(len(names), dim=1)
        vectors = []
        for name, part in zip(names, parts, strict=True):
            vector = self.outputs[name](part)
            if present is not None:
                there = present[name] if read is None else present[name].gather(1, read)
                vector = vector.masked_fill(~there.unsqueeze(-1), ABSENT)
            vectors.append(vector)
        return torch.stack(vectors).amax(0)

    def items(self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor], chunk: int) -> Tensor:
        """Candidate vectors: the network on each item by itself, at the first position.

        Items that have the same modalities are encoded together, without the tokens that they lack.

        Args:
            tokens: (n, D) per modality.
            present: (n,) bool per modality.
            chunk: items at a time, see :func:`~recbole_mmm4rec.nn.chunks.in_chunks`.

        Returns:
            (n, D); zero for an item without any modality.
        """
        names = list(tokens)
        kinds = sum(present[name].long() << at for at, name in enumerate(names))
        assert isinstance(kinds, Tensor)
        groups = [torch.nonzero(kinds == kind).squeeze(1) for kind in range(1 << len(names))]
        vectors = [tokens[names[0]].new_zeros(len(groups[0]), self.mask.embedding_dim)]
        for kind, rows in enumerate(groups):
            had = [name for at, name in enumerate(names) if kind >> at & 1]
            if had and len(rows):
                vectors.append(self._alone({name: tokens[name][rows] for name in had}, chunk, len(kinds)))
        return torch.cat(vectors).index_select(0, torch.cat(groups).argsort())

    def _alone(self, tokens: Mapping[str, Tensor], chunk: int, items: int) -> Tensor:
        """(n, D) per modality -> (n, D), for those of all ``items`` that have all of them."""
        first = torch.zeros(1, dtype=torch.int64, device=self.mask.weight.device)

        def encode(*parts: Tensor) -> Tensor:
            slots = {name: part.unsqueeze(1) for name, part in zip(tokens, parts, strict=True)}
            return self(slots, None, first)[:, 0]

        return in_chunks(encode, list(tokens.values()), chunk, items)

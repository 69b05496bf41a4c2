"""From frozen features of all items to one trainable matrix per modality."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import PAD


class FrozenFeatures(nn.Module):
    """One modality's features of all items, out of reach of initialisers, checkpoints and deep copies.

    Args:
        matrix: (N + 1, D_m) float32 or float16; rows of the pad and of items without the modality are zero.
        present: (N + 1,) bool; None: every item but the pad. The pad is never present, whatever it says.
    """

    matrix: Tensor
    present: Tensor
    distinct: Tensor  # (k,) int64: the pad, whose row is zero, and the items that have the modality

    def __init__(self, matrix: Tensor, present: Tensor | None = None) -> None:
        super().__init__()
        if present is None:
            present = torch.ones(len(matrix), dtype=torch.bool)
        present = present.index_fill(0, torch.tensor(PAD), False)
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("present", present, persistent=False)
        self.register_buffer(
            "distinct", present.index_fill(0, torch.tensor(PAD), True).nonzero()[:, 0], False
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "FrozenFeatures":
        """A second module on the same memory: a copy of a model must not copy gigabytes."""
        twin = copy(self)
        twin._buffers = dict(self._buffers)
        memo[id(self)] = twin
        return twin

    @property
    def width(self) -> int:
        """D_m."""
        return self.matrix.shape[1]

    @property
    def complete(self) -> bool:
        """Whether every item has the modality."""
        return len(self.distinct) == len(self.matrix)

    def rows(self, items: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features (n, D_m) and presence (n, 1) of ``items`` (n,) int64; None: of all N + 1 rows."""
        if items is None:
            return self.matrix, self.present.unsqueeze(-1)
        return self.matrix[items], self.present[items].unsqueeze(-1)

    def through(self, adapter: Callable[[Tensor], Tensor], items: Tensor | None = None) -> Tensor:
        """``adapter`` of the features of ``items`` (n,) int64, or of all items: (n, D) float32.

        Of all items, those without the modality share one row, so that they cost one product together.
        """
        if items is not None:
            return adapter(self.matrix[items].float())
        if len(self.distinct) > 0.9 * len(self.matrix):
            return adapter(self.matrix.float())
        return adapter(self.matrix[self.distinct].float())[self.present.cumsum(0) * self.present]


class ModalityTable(nn.Module):
    """Adapters and optional item biases: ``a_n = W f_n + b + E_n`` for every modality (equation (2)).

    Args:
        features: by modality.
        width: D.
        item_bias: add a trainable row per item and modality, zero at the start (the "ID" of the paper).
        mask_missing: an item without the modality gets no adapter output, so that only its bias row
            represents it; else the adapter of a zero vector, the same for all such items.
        adapter: (D_m, D) -> the adapter of one modality, a linear map where nothing else is given.
    """

    def __init__(
        self,
        features: Mapping[str, FrozenFeatures],
        width: int,
        item_bias: bool,
        mask_missing: bool,
        adapter: Callable[[int, int], nn.Module] = nn.Linear,
    ) -> None:
        super().__init__()
        self.features = nn.ModuleDict(features)
        self.adapters = nn.ModuleDict({name: adapter(f.width, width) for name, f in features.items()})
        self.item_bias = nn.ParameterDict()
        if item_bias:
            for name, f in features.items():
                self.item_bias[name] = nn.Parameter(torch.zeros(len(f.matrix), width))
        self.mask_missing = mask_missing

    def forward(self, items: Tensor | None = None) -> dict[str, Tensor]:
        """The vectors of ``items`` (n,) int64, or of all items: (n, D) per modality."""
        return {name: self._vectors(name, items) for name in self.adapters}

    @property
    def incomplete(self) -> list[str]:
        """Modalities that some items lack."""
        return [name for name in self.adapters if self.mask_missing and not self._frozen(name).complete]

    def start_absent(self, std: float) -> None:
        """Normal(0, std) for what replaces an absent modality, a linear adapter's bias or the item's own.

        From zero a layer norm multiplies its gradient by ``eps ** -0.5``, a normalised score by 1e12: after
        such a step an optimiser with second moments no longer moves these parameters.
        """
        for name, adapter in self.adapters.items():
            frozen = self._frozen(name)
            if frozen.complete:
                continue
            if not self.mask_missing:
                assert isinstance(adapter.bias, nn.Parameter)
                nn.init.normal_(adapter.bias, std=std)
            elif name in self.item_bias:
                bias = self.item_bias[name].data
                bias.copy_(torch.where(frozen.present.unsqueeze(-1), bias, std * torch.randn_like(bias)))

    def present(self, items: Tensor | None = None) -> dict[str, Tensor]:
        """Whether ``items`` have the modality: (n, 1) bool per modality."""
        return {name: self._frozen(name).rows(items)[1] for name in self.adapters}

    def _frozen(self, name: str) -> FrozenFeatures:
        frozen = self.features[name]
        assert isinstance(frozen, FrozenFeatures)
        return frozen

    def _vectors(self, name: str, items: Tensor | None) -> Tensor:
        frozen = self._frozen(name)
        vectors = frozen.through(self.adapters[name], items)
        if self.mask_missing:
            vectors = vectors * frozen.rows(items)[1]
        if name in self.item_bias:
            bias = self.item_bias[name]
            vectors = vectors + (bias if items is None else bias[items])
        return vectors


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

"""The parts of a model that ONNX files hold: a user encoder, an item tower, a scorer where one is needed.

Each is a module of tensors only. Histories are padded to L inside, so that one graph serves every length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.recommend.histories import BatchLayout


class UserEncoder(nn.Module):
    """Histories of rows of an item table -> user vectors, of one of our models."""

    def __init__(self, model: Any, layout: BatchLayout) -> None:
        super().__init__()
        self.model, self.layout = model, layout

    def forward(
        self, table: Mapping[str, Tensor], history: Tensor, lengths: Tensor, times: Tensor | None = None
    ) -> Tensor:
        """Encode histories.

        Args:
            table: vectors (N + 1, ...) by name, row 0 the pad's.
            history: (B, W) int64 rows of the table, the oldest first, right-padded with 0; W <= L.
            lengths: (B,) int64.
            times: (B, W) float64 seconds; None for a model that reads none.

        Returns:
            (B, D) float32.
        """
        batch = {self.layout.history: padded(history, self.layout.length)}
        batch[self.layout.history_length] = lengths
        if times is not None:
            assert self.layout.time is not None
            batch[self.layout.time] = padded(times, self.layout.length)
        context = self.model.context(batch)
        return self.model.encode(table, batch[self.layout.history], lengths, context).float()


class HostUserEncoder(nn.Module):
    """The same of a model of RecBole's, which has its table inside."""

    def __init__(self, model: Any, layout: BatchLayout) -> None:
        super().__init__()
        self.model, self.layout = model, layout

    def forward(self, history: Tensor, lengths: Tensor) -> Tensor:
        """(B, W) int64 numbers of items and (B,) int64 -> (B, D) float32."""
        return self.model.forward(padded(history, self.layout.length), lengths).float()


def padded(values: Tensor, length: int) -> Tensor:
    """(B, W) -> (B, L), zeros behind."""
    return torch.cat([values, values.new_zeros(values.shape[0], length - values.shape[1])], dim=1)


class ItemTower(nn.Module):
    """Features of any items -> their rows in the item table and their candidate vectors.

    An item of training is also known by its number, because models learn separate rows for such items;
    any other has number 0 and gets the mean of all those rows, as :meth:`Recommender.add_items` gives it.

    Args:
        model: one of ours that scores content.
        features: modality -> (N + 1, D_m), the very tensors that the model was built with.
        row_names: entries of its state that have one row per item.
    """

    def __init__(self, model: Any, features: Mapping[str, Tensor], row_names: Sequence[str]) -> None:
        super().__init__()
        self.tables = _Tables(model)
        state = model.state_dict()
        # whole numbers per item are derived from content, not learnt; none of them is read here
        self.row_names = tuple(name for name in row_names if state[name].is_floating_point())
        for place, name in enumerate(self.row_names):
            table = state[name]
            mean = table[1:].mean(0, keepdim=True)
            self.register_buffer(f"rows_{place}", torch.cat([mean, table[1:]]))
        self.places = _places(model, features)

    def forward(
        self, features: Mapping[str, Tensor], numbers: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Compute rows of the table and candidates.

        Args:
            features: modality -> (n, D_m) float32; a row of zeros says that an item lacks it.
            numbers: (n,) int64 of items of training, 0 for others; None where the model has no such rows.

        Returns:
            vectors (n, ...) by name, and candidates (n, C).
        """
        values = {}
        for path, name in self.places.items():
            values[f"model.{path}.matrix"] = features[name]
            values[f"model.{path}.present"] = features[name].ne(0).any(1)
        for place, name in enumerate(self.row_names):
            assert numbers is not None
            values[f"model.{name}"] = getattr(self, f"rows_{place}")[numbers]
        count = next(iter(features.values())).shape[0]
        return torch.func.functional_call(self.tables, values, (torch.arange(count),))


class _Tables(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, items: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        table = self.model.item_table(items)
        return dict(table), self.model.candidates(table, items)


def _places(model: nn.Module, features: Mapping[str, Tensor]) -> dict[str, str]:
    """Path of every module of frozen features -> its modality, told by the memory they share."""
    owners = {matrix.data_ptr(): name for name, matrix in features.items()}
    modules = {path: part for path, part in model.named_modules() if isinstance(part, FrozenFeatures)}
    return {path: owners[part.matrix.data_ptr()] for path, part in modules.items()}


class Score(nn.Module):
    """User vectors and candidates -> scores, of a model whose scores are not plain products."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, users: Tensor, candidates: Tensor) -> Tensor:
        """(B, D), (n, C) -> (B, n)."""
        return self.model.scores(users, candidates)


class Counts(nn.Module):
    """Histories -> what counts of training add to the scores, in the order of the item vectors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.co_occurrence = model.co_occurrence

    def forward(self, history: Tensor, lengths: Tensor) -> Tensor:
        """(B, W) int64 numbers of items and (B,) int64 -> (B, N)."""
        return self.co_occurrence(history, lengths)[:, 1:]

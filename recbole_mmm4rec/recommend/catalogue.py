"""The items that a recommender knows, standing where a model expects its dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.errors import UserError

UNKNOWN_ITEM = -1
"""Number of an id that no item has."""


class Catalogue:
    """N items by number from 1, number 0 is the pad; their tokens, features and whether events have times.

    It satisfies :class:`~recbole_mmm4rec.model.interface.ItemSource` for our models, and what the sequential
    models of RecBole that read nothing but histories ask of a dataset.

    Args:
        tokens: N + 1 ids in the order of numbers, the pad's first.
        features: by modality, each with N + 1 rows.
        has_time: whether a model with a time branch was trained with times.
        item_field: name of the items' field, as RecBole's settings have it.
        seq_lengths: RecBole's ``field2seqlen``: name of the histories' field -> longest history.
    """

    def __init__(
        self,
        tokens: Sequence[str] | np.ndarray,
        features: Mapping[str, ModalityFeatures],
        has_time: bool,
        item_field: str = "item_id",
        seq_lengths: Mapping[str, int] | None = None,
    ) -> None:
        self.tokens = np.asarray(tokens, dtype=object)
        self.features = dict(features)
        self.has_time = has_time
        self.iid_field = item_field
        self.field2seqlen = dict(seq_lengths or {})

    @cached_property
    def _index(self) -> Any:
        """Of ids; a part for one query never looks one up."""
        return pd.Index(self.tokens[PAD + 1 :])

    def __len__(self) -> int:
        """N + 1."""
        return len(self.tokens)

    # What models ask ---------------------------------------------------------------------------------------

    @property
    def item_num(self) -> int:
        """N + 1, RecBole's name."""
        return len(self)

    def num(self, field: str) -> int:
        """N + 1 for the field of the items.

        Raises:
            AttributeError: any other field, such as the users: a catalogue has none.
        """
        if field != self.iid_field:
            raise AttributeError(f"field '{field}'")
        return len(self)

    # What a recommender asks -------------------------------------------------------------------------------

    def numbers(self, ids: Sequence[Any] | np.ndarray | pd.Series) -> np.ndarray:
        """(n,) int64 numbers of ids, :data:`UNKNOWN_ITEM` for those that no item has.

        Ids are compared as text; a whole number is written without a decimal point.
        """
        places = self._index.get_indexer(as_tokens(ids))
        return np.where(places < 0, UNKNOWN_ITEM, places + 1).astype(np.int64)

    def known(self, ids: Sequence[Any] | np.ndarray, what: str) -> np.ndarray:
        """The numbers of ids that all must be known.

        Raises:
            UserError: names the first that are not.
        """
        numbers = self.numbers(ids)
        missing = [str(name) for name, number in zip(ids, numbers, strict=True) if number < 0]
        if missing:
            shown = ", ".join(f'"{name}"' for name in missing[:3])
            more = f" ({len(missing):,} in all)" if len(missing) > 3 else ""
            raise UserError(f"{what}: the model does not know {shown}{more}")
        return numbers

    def part(self, rows: Tensor, more: Mapping[str, Tensor], ids: Sequence[str | None]) -> Catalogue:
        """A catalogue of ``rows`` (n,) int64 of this one, the pad first, and of new items.

        Args:
            rows: numbers of items, any of them any number of times.
            more: by modality features of the new items, one row each; a row of zeros is not a feature.
            ids: of the new items; None where nobody asks by it.
        """
        features = {name: _extended(f, rows, more.get(name), len(ids)) for name, f in self.features.items()}
        return self.with_features([*self.tokens[rows.numpy()], *ids], features)

    def with_features(
        self, tokens: Sequence[Any] | np.ndarray, features: Mapping[str, ModalityFeatures]
    ) -> Catalogue:
        """The same but for its items."""
        return Catalogue(tokens, features, self.has_time, self.iid_field, self.field2seqlen)


def as_tokens(ids: Any) -> np.ndarray:
    """(n,) object: ids of any type as RecBole's files write them; None and NaN as an empty text."""
    values = np.empty(len(ids), dtype=object)
    values[:] = list(ids)
    if pd.api.types.infer_dtype(values, skipna=False) == "string":
        return values
    values[:] = [_token(value) for value in values]
    return values


def _token(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or value is pd.NaT:
        return ""
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return ""
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value)


def _extended(old: ModalityFeatures, rows: Tensor, more: Tensor | None, count: int) -> ModalityFeatures:
    new = old.matrix.new_zeros(count, old.dimension) if more is None else more.to(old.matrix.dtype)
    matrix = torch.cat([old.matrix[rows], new])
    present = torch.cat([old.present[rows], new.any(1)])
    return ModalityFeatures(old.name, matrix, present, old.metadata)

"""The items that a recommender knows, standing where a model expects its dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import id_text

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

        Ids are compared as text; a whole number is written without a decimal point. What is not found so is
        looked up as ``prepare`` would have written it.
        """
        tokens = as_tokens(ids)
        places = self._index.get_indexer(tokens)
        missed = np.flatnonzero(places < 0)
        if len(missed):
            which, different = pd.factorize(tokens[missed])
            prepared = as_objects([id_text(token)[0] or token for token in different])
            places[missed] = self._index.get_indexer(prepared)[which]
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


def as_objects(values: Any) -> np.ndarray:
    """(n,) object, also of values that numpy would take for a matrix."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def as_tokens(ids: Any) -> np.ndarray:
    """(n,) object: ids of any type as RecBole's files write them; None and NaN as an empty text."""
    values = as_objects(ids)
    if pd.api.types.infer_dtype(values, skipna=False) == "string":
        return values
    values[:] = [_token(value) for value in values]
    return values


def is_listed(value: Any) -> bool:
    """Whether a value holds others, in whatever order, and is not a text."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def listed_ids(given: Any, what: str) -> list[Any]:
    """Ids as a list, by their places.

    Raises:
        UserError: a single id, or something else that is not a list.
    """
    if not is_listed(given):
        raise UserError(f"{what}: a list of item ids is needed, not {given!r}"[:200])
    return list(given)


def one_or_more(given: Any, what: str) -> list[Any]:
    """The same, and of a single id, which is a text or a whole number, a list of it."""
    return [given] if isinstance(given, str | int | np.integer) else listed_ids(given, what)


def is_missing(value: Any) -> bool:
    """Whether a value is how Python, NumPy or pandas write that there is none."""
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _token(value: Any) -> str:
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value)


def _extended(old: ModalityFeatures, rows: Tensor, more: Tensor | None, count: int) -> ModalityFeatures:
    new = old.matrix.new_zeros(count, old.dimension) if more is None else more.to(old.matrix.dtype)
    matrix = torch.cat([old.matrix[rows], new])
    present = torch.cat([old.present[rows], new.any(1)])
    return ModalityFeatures(old.name, matrix, present, old.metadata)

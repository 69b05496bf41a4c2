"""Features of items that training never saw, checked: as vectors, texts or pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mmm4rec.columns import IMAGE, TEXT
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import PAD as PAD_TOKEN
from recbole_mmm4rec.recommend.catalogue import Catalogue, as_tokens, is_listed, is_missing
from recbole_mmm4rec.recommend.encoders import encode_pictures, encode_texts


@dataclass(frozen=True)
class NewItems:
    """``ids`` (n,) object and modality -> (n, D_m) ``features``; a row of zeros is not a feature."""

    ids: np.ndarray
    features: dict[str, Tensor]


def read_new_items(
    catalogue: Catalogue, ids: Any, vectors: Mapping[str, Any] | None, texts: Any, pictures: Any
) -> NewItems:
    """Check and encode what describes new items, see ``Recommender.add_items``.

    Raises:
        UserError: names the item, the modality or the width.
    """
    if isinstance(ids, str):
        raise UserError(f"ids: a list of item ids is needed, not {ids!r}")
    tokens = as_tokens(list(ids))
    _check_ids(tokens)
    given = {name: rows_of(catalogue, name, values, len(tokens)) for name, values in (vectors or {}).items()}
    for name, values, encode in ((TEXT, texts, encode_texts), (IMAGE, pictures, encode_pictures)):
        if values is not None:
            if name in given:
                raise UserError(f"{name}: given as vectors and to be encoded; one of them")
            given[name] = _encoded(catalogue, name, values, len(tokens), encode)
    bare = ~sum((f.any(1) for f in given.values()), torch.zeros(len(tokens), dtype=torch.bool))
    if bare.any():
        wanted = ", ".join(catalogue.features)
        raise UserError(f"items without a feature: {named(tokens[bare.numpy()])}; the model reads {wanted}")
    return NewItems(tokens, given)


def _check_ids(tokens: np.ndarray) -> None:
    if not len(tokens):
        raise UserError("ids: no item is named")
    column = pd.Series(tokens, dtype=object)
    empty = np.flatnonzero(tokens == "")
    if len(empty):
        raise UserError(f"ids: number {empty[0] + 1} is empty")
    if (tokens == PAD_TOKEN).any():
        raise UserError(f"ids: {PAD_TOKEN} is the name of an empty position; no item may have it")
    twice = column[column.duplicated()].unique()
    if len(twice):
        raise UserError(f"items named more than once: {named(twice)}")


def feature_of(catalogue: Catalogue, name: str) -> ModalityFeatures:
    """The catalogue's features of a modality.

    Raises:
        UserError: the model does not read it.
    """
    if name not in catalogue.features:
        readable = ", ".join(catalogue.features) or "no features"
        raise UserError(f"the model does not read {name}; it reads {readable}")
    return catalogue.features[name]


def rows_of(catalogue: Catalogue, name: str, values: Any, count: int) -> Tensor:
    """Vectors (count, D_m) of a modality in the type that the catalogue has them in.

    Raises:
        UserError: another number or width, NaN or infinity, or not numbers.
    """
    features = feature_of(catalogue, name)
    try:
        array = np.asarray(values.cpu() if isinstance(values, Tensor) else values, dtype=np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{name}: vectors of numbers are needed, all of width {features.dimension}") from None
    if array.shape != (count, features.dimension):
        wanted, found = (count, features.dimension), array.shape
        raise UserError(f"{name}: vectors of shape {wanted} are needed, not {found}")
    rows = torch.tensor(array).to(features.matrix.dtype)
    wrong = (~torch.isfinite(rows)).any(1).nonzero()
    if len(wrong):
        raise UserError(f"{name}: NaN or infinity in vector {int(wrong[0]) + 1} of {count}")
    return rows


def _encoded(
    catalogue: Catalogue,
    name: str,
    values: Sequence[Any],
    count: int,
    encode: Callable[[ModalityFeatures, Sequence[Any]], np.ndarray],
) -> Tensor:
    features = feature_of(catalogue, name)
    given = list(values) if is_listed(values) else []  # by place, whatever the labels of a Series
    if len(given) != count:
        raise UserError(f"{name}: {count} are needed, one per item, None where an item has none")
    there = [row for row, value in enumerate(given) if not (is_missing(value) or value == "")]
    for row in there:
        if name == TEXT and not isinstance(given[row], str):
            raise UserError(f"{name}: number {row + 1} of {count} is not a text but {given[row]!r}"[:200])
    rows = np.zeros((count, features.dimension), np.float32)
    if there:
        rows[there] = encode(features, [given[row] for row in there])
    return rows_of(catalogue, name, rows, count)

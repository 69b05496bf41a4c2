"""RecBole's numbering of tokens (order of first appearance, 0 the pad), on codes instead of strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recbole_mmm4rec.data.ordering import rank_by_first_appearance


def is_coded(column: pd.Series) -> bool:
    """Tell whether a column was read as codes into a dictionary of tokens."""
    return isinstance(column.dtype, pd.CategoricalDtype)


def number_tokens(columns: list[pd.Series]) -> tuple[list[np.ndarray], np.ndarray]:
    """Number the tokens of ``columns``, the first of which is coded, in the order they first appear.

    Returns the numbers of each column, int64, 0 where a value is missing, and the tokens by number with
    ``[PAD]`` first, as an array of strings: what ``pandas.factorize`` over all values gives RecBole.
    """
    values = columns[0].cat.categories
    codes = [columns[0].cat.codes.to_numpy()]
    for column in columns[1:]:
        more, values = _codes_into(column, values)
        codes.append(more)
    joined = np.concatenate(codes) if len(codes) > 1 else codes[0]
    ranks, used = rank_by_first_appearance(joined, len(values))
    ranks += 1
    names: list[Any] = ["[PAD]", *values[used].tolist()]
    return np.split(ranks, np.cumsum([len(part) for part in codes])[:-1]), np.array(names)


def _codes_into(column: pd.Series, values: pd.Index) -> tuple[np.ndarray, pd.Index]:
    """Codes of a column in ``values``, which grows by the tokens that are new."""
    plain = column.to_numpy(dtype=object)
    codes = values.get_indexer(pd.Index(plain, dtype=object))
    unknown = (codes < 0) & ~pd.isna(plain)
    fresh, tokens = pd.factorize(plain[unknown])
    codes[unknown] = fresh + len(values)
    return codes, values.append(pd.Index(tokens, dtype=object))

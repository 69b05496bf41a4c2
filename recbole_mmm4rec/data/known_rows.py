"""Numbers of tokens as an earlier run had them, so that the rows of its tables mean the same again.

RecBole numbers users, items and other tokens in the order in which the files name them: sort the rows of a
file differently, and every table of a trained model belongs to other items.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from recbole.utils.enum_type import FeatureType


def keep_known_rows(dataset: Any) -> None:
    """Renumber the tokens of a dataset as ``dataset.config.known_tokens`` has them, where it has any.

    Args:
        dataset: one of RecBole's right after its tokens were numbered; its frames are changed in place. The
            known tokens are a list for each field, in row order with the pad first. A field whose tokens are
            not the same set keeps its own numbers: whoever asked for the known ones compares them afterwards.
    """
    for field, known in getattr(dataset.config, "known_tokens", {}).items():
        own = dataset.field2id_token.get(field)
        if own is not None and list(own) != known and set(own) == set(known) and len(own) == len(known):
            _renumber(dataset, field, known)


def _renumber(dataset: Any, field: str, known: list[str]) -> None:
    row_of = {token: row for row, token in enumerate(known)}
    moved = np.array([row_of[token] for token in dataset.field2id_token[field]])
    dataset.field2id_token[field], dataset.field2token_id[field] = np.array(known), row_of
    for frame in (frame for frame in dataset.field2feats(field) if field in frame):
        if dataset.field2type[field] == FeatureType.TOKEN:
            frame[field] = moved[frame[field].to_numpy()]
        else:
            frame[field] = [moved[rows] for rows in frame[field]]


def token_tables(dataset: Any) -> dict[str, list[str]]:
    """Tokens of every numbered field of a dataset in row order; none for a dataset without such tables."""
    tables = getattr(dataset, "field2id_token", {})
    return {str(field): [str(token) for token in tokens] for field, tokens in tables.items()}

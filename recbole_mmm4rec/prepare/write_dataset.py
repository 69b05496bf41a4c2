"""Interactions and items -> ``<name>.inter`` and ``<name>.item``."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.interactions import Interactions
from recbole_mmm4rec.prepare.sources import ItemRecord
from recbole_mmm4rec.prepare.text_cleaning import clean


def write_interactions(path: Path, data: Interactions, has_rating: bool, has_time: bool) -> None:
    """Write user, item, and rating and time (whole seconds) where the source has them."""
    columns: dict[str, pa.Array | np.ndarray] = {
        "user_id:token": data.users.take(pa.array(data.user)),
        "item_id:token": data.items.take(pa.array(data.item)),
    }
    if has_rating:
        # an absent rating is NaN, which RecBole's reader takes as such from an empty field
        columns["rating:float"] = pa.array(data.rating, pa.float32(), from_pandas=True)
    if has_time:
        columns["timestamp:float"] = data.time // 1000
    write_atomic(path, columns)


def write_items(path: Path, tokens: list[str], items: Mapping[str, ItemRecord]) -> None:
    """Write the cleaned text fields of ``tokens``, in their order."""
    names = list(next(iter(items.values())).fields)
    # an array is written as it stands, so that the tokens are those of the interactions and vectors
    columns: dict[str, pa.Array | list[str]] = {"item_id:token": pa.array(tokens, pa.string())}
    for name in names:
        kind = "token" if name == "year" else "token_seq"
        columns[f"{name}:{kind}"] = [clean(items[token].fields[name]) for token in tokens]
    write_atomic(path, columns)

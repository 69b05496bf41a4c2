"""Interactions and items -> ``<name>.inter`` and ``<name>.item``."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import one_line, write_atomic
from recbole_mmm4rec.prepare.interactions import Interactions
from recbole_mmm4rec.prepare.sources import ItemRecord
from recbole_mmm4rec.prepare.text_cleaning import clean

LOGGER = logging.getLogger(__name__)
TAKEN = ("user_id", "item_id", "rating", "timestamp")
"""Columns of the interactions."""


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
    """Write the cleaned text fields of ``tokens``, in their order, under names that headers can hold.

    Raises ``UserError`` where two fields would get one name.
    """
    # an array is written as it stands, so that the tokens are those of the interactions and vectors
    columns: dict[str, pa.Array | list[str]] = {"item_id:token": pa.array(tokens, pa.string())}
    for name in next(iter(items.values())).fields:
        kind = "token" if name == "year" else "token_seq"
        header = f"{header_name(name)}:{kind}"
        if header in columns:
            raise UserError(
                f"item_fields: {name!r} would be a second column {header}; rename it in the raw file"
            )
        columns[header] = [clean(items[token].fields[name]) for token in tokens]
    write_atomic(path, columns)


def header_name(name: str) -> str:
    """Return the name of a text field as an atomic header can hold it; a change is reported.

    A colon would end the name there, and a column of the interactions would lose its type to the item's.
    """
    plain = one_line(name).replace(":", "_").replace("'", "_")
    result = f"item_{plain}" if plain in TAKEN else plain
    if result != name:
        LOGGER.warning("item_fields: %r is the column %s of the item file", name, result)
    return result

"""Interactions and items -> ``<name>.inter`` and ``<name>.item``."""

import logging
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import one_line, write_batches
from recbole_mmm4rec.prepare.filtering import Kept
from recbole_mmm4rec.prepare.interactions import Columns
from recbole_mmm4rec.prepare.items import ItemBatch, KeptItems
from recbole_mmm4rec.prepare.text_cleaning import clean

LOGGER = logging.getLogger(__name__)
TAKEN = ("user_id", "item_id", "rating", "timestamp")
"""Columns of the interactions."""


def write_interactions(path: Path, data: Kept, has_rating: bool, has_time: bool) -> None:
    """Write user, item, and rating and time (whole seconds) where the source has them, chunk by chunk."""
    types = {"user_id:token": pa.string(), "item_id:token": pa.string()}
    types |= {"rating:float": pa.float32()} if has_rating else {}
    types |= {"timestamp:float": pa.int64()} if has_time else {}
    with tqdm(total=len(data), desc="write", unit="row", leave=False, disable=None) as bar:
        batches = (_columns(data, rows, list(types), bar) for rows in data.chunks())
        write_batches(path, list(types), batches, list(types.values()))


def _columns(data: Kept, rows: Columns, names: list[str], bar: tqdm) -> pa.RecordBatch:
    columns = {
        "user_id:token": data.user_tokens(rows.user),
        "item_id:token": data.item_tokens(rows.item),
        # an absent rating is NaN, which RecBole's reader takes as such from an empty field
        "rating:float": pa.array(rows.rating, pa.float32(), from_pandas=True),
        "timestamp:float": pa.array(rows.time // 1000),
    }
    bar.update(len(rows))
    return pa.record_batch({name: columns[name] for name in names})


def write_items(path: Path, items: KeptItems) -> None:
    """Write the cleaned text fields of the items, in their order, under names that headers can hold.

    Raises ``UserError`` where two fields would get one name.
    """
    headers = ["item_id:token"]
    for name in items.names:
        kind = "token" if name == "year" else "token_seq"
        header = f"{header_name(name)}:{kind}"
        if header in headers:
            raise UserError(
                f"item_fields: {name!r} would be a second column {header}; rename it in the raw file"
            )
        headers.append(header)
    write_batches(path, headers, (_item_columns(batch, headers) for batch in items.batches()))


def _item_columns(batch: ItemBatch, headers: list[str]) -> pa.RecordBatch:
    # tokens are written as they stand, so that they are those of the interactions and vectors
    columns = [batch.tokens, *([one_line(clean(text)) for text in texts] for texts in batch.fields.values())]
    return pa.record_batch([pa.array(column, pa.string()) for column in columns], headers)


def header_name(name: str) -> str:
    """Return the name of a text field as an atomic header can hold it; a change is reported.

    A colon would end the name there, and a column of the interactions would lose its type to the item's.
    """
    plain = one_line(name).replace(":", "_").replace("'", "_")
    result = f"item_{plain}" if plain in TAKEN else plain
    if result != name:
        LOGGER.warning("item_fields: %r is the column %s of the item file", name, result)
    return result

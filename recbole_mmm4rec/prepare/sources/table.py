"""Any CSV or Parquet table of interactions beside any table of items; the settings name the columns."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources.base import ItemRecord
from recbole_mmm4rec.prepare.sources.batches import interaction_batch
from recbole_mmm4rec.prepare.sources.columns import MILLISECONDS, as_text
from recbole_mmm4rec.prepare.sources.files import find_file
from recbole_mmm4rec.prepare.sources.tables import read_table
from recbole_mmm4rec.prepare.tally import Tally


class TableSource:
    """Columns by name: ``user_column``, ``item_column``, and where there are such rating, time and texts."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.has_time = bool(settings.time_column)
        self.time_kind = "date" if settings.time_unit == "date" else "number"
        self.has_rating = bool(settings.rating_column)
        self.delimiter = _delimiter(settings.delimiter)
        self.interactions_path = find_file(folder, settings.interactions, "interactions")
        self.items_path = find_file(folder, settings.items, "items")
        if settings.time_unit not in (*MILLISECONDS, "date"):
            raise UserError(f"time_unit: {settings.time_unit!r} is none of {', '.join(MILLISECONDS)}, date")

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield the text columns, each under its own name, and the link of the picture column."""
        keys = self.settings
        links = [keys.picture_column] if keys.picture_column else []
        columns = list(dict.fromkeys([keys.item_column, *keys.item_fields, *links]))
        for batch in read_table(self.items_path, columns, tally, self.delimiter):
            for values in zip(*(_strings(column) for column in batch), strict=True):
                row = dict(zip(columns, values, strict=True))
                if row[keys.item_column]:
                    fields = {name: row[name] for name in keys.item_fields}
                    picture = row[keys.picture_column] if keys.picture_column else ""
                    yield ItemRecord(row[keys.item_column], fields, picture)
                else:
                    tally.add("rows skipped: no item", self.items_path.name)

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield the rows in file order."""
        keys = self.settings
        named = [keys.user_column, keys.item_column, keys.rating_column, keys.time_column]
        columns = [name for name in named if name]
        for batch in read_table(self.interactions_path, columns, tally, self.delimiter):
            user, item, rating, time = (batch.column(name) if name else None for name in named)
            self._check_time(time)
            yield interaction_batch(user, item, rating, time, keys.time_unit)

    def _check_time(self, time: pa.Array | None) -> None:
        if time is not None and (pa.types.is_time(time.type) or pa.types.is_duration(time.type)):
            column = f"time_column {self.settings.time_column}"
            raise UserError(f"{self.interactions_path}: {column} holds no dates, but {time.type}")


def _delimiter(text: str) -> str:
    # a command line has no easier way to name a tab
    delimiter = "\t" if text == r"\t" else text
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\0\r\n"':
        raise UserError(rf"delimiter: {text!r} is not one ASCII character (\t for a tab)")
    return delimiter


def _strings(column: pa.Array) -> list[str]:
    return [value or "" for value in as_text(column).to_pylist()]

"""Any tables of interactions and items (CSV, Parquet, JSON lines); the settings name the columns."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import as_ids
from recbole_mmm4rec.prepare.raw_files import RawFile, find_files
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.sources.base import ItemRecord, Rows
from recbole_mmm4rec.prepare.sources.batches import Times, interaction_rows
from recbole_mmm4rec.prepare.sources.columns import as_text, first_broken
from recbole_mmm4rec.prepare.sources.dates import ORDERS
from recbole_mmm4rec.prepare.sources.moments import UNITS
from recbole_mmm4rec.prepare.sources.tables import LINE, read_table
from recbole_mmm4rec.prepare.tally import RowCount


class TableSource:
    """Columns by name: ``user_column``, ``item_column``, and where there are such rating, time and texts."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.has_time = bool(settings.time_column)
        self.time_unit = settings.time_unit
        self.has_rating = bool(settings.rating_column)
        self.has_items = settings.items is not None
        self.delimiter = _delimiter(settings.delimiter)
        self.interaction_files = find_files(folder, settings.interactions, "interactions")
        self.item_files = [] if settings.items is None else find_files(folder, settings.items, "items")
        _check_choice("time_unit", settings.time_unit, UNITS)
        if settings.date_order is not None:
            _check_choice("date_order", settings.date_order, ORDERS)

    def items(self, rows: RowCount) -> Iterator[ItemRecord]:
        """Yield the text columns, each under its own name, and the link of the picture column."""
        keys = self.settings
        links = [keys.picture_column] if keys.picture_column else []
        texts = list(dict.fromkeys([*keys.item_fields, *links]))
        columns = list(dict.fromkeys([keys.item_column, *texts]))
        for file in self.item_files:
            for batch in self._read(file, columns, rows, texts):
                yield from self._records(file, batch, texts, rows)

    def interactions(self, rows: RowCount) -> Iterator[Rows]:
        """Yield the rows in file order, one file after the other."""
        keys = self.settings
        named = [keys.user_column, keys.item_column, keys.rating_column, keys.time_column]
        columns = list(dict.fromkeys(name for name in named if name))
        times = Times(keys.time_unit, keys.date_order)
        for file in self.interaction_files:
            for batch in self._read(file, columns, rows, []):
                user, item, rating, time = (batch.column(name) if name else None for name in named)
                self._check_time(file, time)
                yield interaction_rows(file, batch.column(LINE), user, item, rating, time, times)

    def _read(
        self, file: RawFile, columns: list[str], rows: RowCount, texts: list[str]
    ) -> Iterator[pa.RecordBatch]:
        tabs = file.kind in (".tsv", ".tab") and self.delimiter == ","
        delimiter = "\t" if tabs else self.delimiter
        return read_table(file, columns, rows, delimiter, self.settings.encoding, texts=texts)

    def _records(
        self, file: RawFile, batch: pa.RecordBatch, texts: list[str], rows: RowCount
    ) -> Iterator[ItemRecord]:
        keys, lines = self.settings, batch.column(LINE).to_pylist()
        tokens, faults = (column.to_pylist() for column in as_ids(batch.column(keys.item_column)))
        values = [read_texts(batch, name, file, rows, keys.encoding) for name in texts]
        for row, (token, fault) in enumerate(zip(tokens, faults, strict=True)):
            fields = {name: column[row] for name, column in zip(texts, values, strict=True)}
            if token:
                picture = fields[keys.picture_column] if keys.picture_column else ""
                chosen = {name: fields[name] for name in keys.item_fields}
                yield ItemRecord(token, chosen, picture, file.place(lines[row]))
            else:
                reason = f"item {fault}" if fault else "no item"
                rows.skip(f"rows skipped: {reason}", file.place(lines[row]))

    def _check_time(self, file: RawFile, time: pa.Array | None) -> None:
        if time is not None and (pa.types.is_time(time.type) or pa.types.is_duration(time.type)):
            column = f"time_column {self.settings.time_column}"
            raise UserError(f"{file.path}: {column} holds no dates, but {time.type}")


def read_texts(batch: pa.RecordBatch, name: str, file: RawFile, rows: RowCount, encoding: str) -> list[str]:
    """Return a column as texts, empty for null; bytes that are not in the encoding are reported."""
    column = batch.column(name)
    broken = first_broken(column)
    if broken is not None:
        reason = (
            f"values of {name} that are not {encoding.upper()}: those bytes are lost (--encoding=cp1252?)"
        )
        rows.note(reason, file.place(batch.column(LINE)[broken[0]].as_py()), broken[1])
    return [value or "" for value in as_text(column).to_pylist()]


def _check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{key}: {value!r} is not one of {', '.join(choices)}")


def _delimiter(text: str) -> str:
    # a command line has no easier way to name a tab
    delimiter = "\t" if text == r"\t" else text
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\0\r\n"':
        raise UserError(rf"delimiter: {text!r} is not one ASCII character (\t for a tab)")
    return delimiter

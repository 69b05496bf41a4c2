"""What every source yields, and what sources of two kinds of files have in common."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.raw_files import RawFile, find_files
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.tally import RowCount

INTERACTIONS = pa.schema(
    [
        ("user", pa.string()),
        ("item", pa.string()),
        ("rating", pa.float64()),
        ("time", pa.int64()),
        ("line", pa.int64()),
        ("fault", pa.string()),
        ("time_text", pa.string()),
        ("rating_text", pa.string()),
    ]
)
"""One batch of raw interactions in file order. ``time``: milliseconds since 1970 (UTC); a column that the
source does not have is null throughout. ``line``: where the row begins in its file; ``fault``: why the row
cannot be used, null where it can. An id that is at fault stands as it is in the file; ``time_text`` is the
raw time where that is at fault, ``rating_text`` a raw rating that is not a number."""


class Rows(NamedTuple):
    """A batch of ``INTERACTIONS`` and the file it was read from."""

    file: RawFile
    batch: pa.RecordBatch


class ItemRecord(NamedTuple):
    """One metadata entry: ``fields`` are raw texts by name, ``picture`` a link, or empty.

    ``place`` names the file and the line.
    """

    token: str
    fields: dict[str, str]
    picture: str = ""
    place: str = ""


class Source(Protocol):
    """A publisher's files. Both streams may be read more than once and never hold a whole file.

    Every row of the files is counted as met and is either yielded or counted as skipped.

    Attributes:
        time_unit: of raw times: s, ms, us, ns or date.
        interaction_files: what ``interactions`` reads.
        item_files: what ``items`` reads; empty without metadata.
        has_items: whether there is metadata; without it every item of an interaction is one of the dataset.
    """

    interaction_files: list[RawFile]
    item_files: list[RawFile]
    has_items: bool
    has_time: bool
    time_unit: str
    has_rating: bool

    def items(self, rows: RowCount) -> Iterator[ItemRecord]:
        """Yield the metadata in file order; an item may come several times."""
        ...

    def interactions(self, rows: RowCount) -> Iterator[Rows]:
        """Yield batches of ``INTERACTIONS`` in file order, those at fault included."""
        ...


class TwoFiles:
    """Finds the files of both kinds; ``UserError`` where one is missing."""

    has_items = True
    has_time = True
    time_unit = "s"
    has_rating = True

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.encoding = settings.encoding
        self.interaction_files = find_files(folder, settings.interactions, "interactions")
        if settings.items is None:
            raise UserError(f"items: layout {settings.layout} needs a file of metadata")
        self.item_files = find_files(folder, settings.items, "metadata")

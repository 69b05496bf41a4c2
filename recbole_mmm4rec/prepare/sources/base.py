"""What every source yields."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import pyarrow as pa

from recbole_mmm4rec.prepare.tally import Tally

INTERACTIONS = pa.schema(
    [
        ("user", pa.string()),
        ("item", pa.string()),
        ("rating", pa.float64()),
        ("time", pa.int64()),
    ]
)
"""One batch of raw interactions in file order. ``time``: milliseconds since 1970 (UTC); a column that the
source does not have is null throughout."""


class ItemRecord(NamedTuple):
    """One metadata entry: ``fields`` are raw texts by name, ``picture`` a link, or empty."""

    token: str
    fields: dict[str, str]
    picture: str = ""


class Source(Protocol):
    """A publisher's files. Both streams may be read more than once and never hold a whole file.

    Attributes:
        time_kind: what a raw time must be, "number" or "date".
    """

    has_time: bool
    time_kind: str
    has_rating: bool

    def items(self, tally: Tally) -> Iterator[ItemRecord]:
        """Yield the metadata in file order; an item may come several times."""
        ...

    def interactions(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield batches of ``INTERACTIONS`` in file order, unfiltered but well-formed."""
        ...

"""Raw columns -> batches of the common schema."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from recbole_mmm4rec.prepare.sources.base import INTERACTIONS
from recbole_mmm4rec.prepare.sources.columns import as_milliseconds, as_number, as_text, encodable

ROWS = 1 << 16


def interaction_batch(
    user: pa.Array, item: pa.Array, rating: pa.Array | None, time: pa.Array | None, unit: str
) -> pa.RecordBatch:
    """Build one batch of ``INTERACTIONS``; ``unit`` is the unit of ``time``, None columns become null."""
    columns = [
        as_text(user),
        as_text(item),
        pa.nulls(len(user), pa.float64()) if rating is None else as_number(rating),
        pa.nulls(len(user), pa.int64()) if time is None else as_milliseconds(time, unit),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=INTERACTIONS)


def batched_rows(rows: Iterable[tuple[Any, Any, Any, Any]], unit: str) -> Iterator[pa.RecordBatch]:
    """Collect (user, item, rating, time) rows of any text or number into batches of ``INTERACTIONS``."""
    waiting: list[tuple[Any, Any, Any, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == ROWS:
            yield _batch(waiting, unit)
            waiting = []
    if waiting:
        yield _batch(waiting, unit)


def _batch(rows: list[tuple[Any, Any, Any, Any]], unit: str) -> pa.RecordBatch:
    columns = [
        pa.array([_plain(value) for value in column], pa.string()) for column in zip(*rows, strict=True)
    ]
    user, item, rating, time = columns
    return interaction_batch(user, item, rating, time, unit)


def _plain(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict | list) else encodable(str(value))

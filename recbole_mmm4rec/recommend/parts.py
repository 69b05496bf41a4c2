"""Parts of a result: a Parquet file per shard of histories, which says itself what it was made from.

A part is written under a temporary name and renamed, so one that is there is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recbole_mmm4rec.files import replacing

SUFFIX = ".parquet"
SCHEMA = pa.schema(
    [("user", pa.string()), ("rank", pa.int32()), ("item", pa.string()), ("score", pa.float32())]
)
_FACTS = b"recbole_mmm4rec"
"""Key of the file's metadata."""


@dataclass(frozen=True)
class Counted:
    """How many there were, and the first few of them by name."""

    count: int = 0
    first: tuple[str, ...] = ()

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.count + other.count, (*self.first, *other.first)[:3])

    def __str__(self) -> str:
        more = f" ({self.count:,} in all)" if self.count > len(self.first) else ""
        return ", ".join(self.first) + more


@dataclass(frozen=True)
class Part:
    """What a part was made from.

    Attributes:
        plan: hash of the model and the settings.
        state: of the file of its histories, see :class:`~recbole_mmm4rec.recommend.shards.Shard`.
        users: with and without a list.
        left_out: users without an item that the model knows.
        unknown: events with items that the model does not know.
        timeless: the model reads times, and the histories have none.
    """

    plan: str
    state: str
    users: int
    left_out: Counted
    unknown: Counted
    timeless: bool


def write_part(path: Path, part: Part, frames: Iterable[pd.DataFrame]) -> None:
    """Write the lists of a shard's users, some users at a time."""
    schema = SCHEMA.with_metadata({_FACTS: json.dumps(asdict(part)).encode()})
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))


def read_part(path: Path) -> Part | None:
    """What a part was made from; None where there is none, or a file of another program."""
    try:
        facts = json.loads((pq.read_schema(path).metadata or {})[_FACTS])
        counted = {name: Counted(facts[name]["count"], tuple(facts[name]["first"])) for name in _COUNTED}
        return Part(**{**facts, **counted})
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


_COUNTED = ("left_out", "unknown")


@dataclass(frozen=True)
class Listed:
    """The users (U,) object of a part who have a list, and its length (U,) int64."""

    users: np.ndarray
    lengths: np.ndarray


def listed_users(path: Path) -> Listed:
    """Users with a list; the rows of one user stand together."""
    users = pq.read_table(path, columns=["user"])["user"].combine_chunks()
    runs = pc.run_end_encode(users)
    ends = runs.run_ends.to_numpy(zero_copy_only=False).astype(np.int64)
    return Listed(runs.values.to_numpy(zero_copy_only=False), np.diff(ends, prepend=0))


def user_in_two(paths: Sequence[Path]) -> tuple[str, Path, Path] | None:
    """A user of two parts and these parts; None where every user is in one. Takes 24 bytes per user."""
    hashes = [_hashes(listed_users(path).users) for path in paths]
    ordered = np.sort(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)
    for value in ordered[1:][ordered[1:] == ordered[:-1]]:  # two users may share a hash
        holders: dict[str, Path] = {}
        for path, own in zip(paths, hashes, strict=True):
            for user in listed_users(path).users[own == value] if (own == value).any() else ():
                if user in holders:
                    return user, holders[user], path
                holders[user] = path
    return None


def _hashes(users: np.ndarray) -> np.ndarray:
    return pd.util.hash_array(users) if len(users) else np.zeros(0, np.uint64)

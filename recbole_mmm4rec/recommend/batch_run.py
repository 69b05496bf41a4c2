"""A file of histories -> a file of recommendations: in shards, so that a killed run goes on where it was.

Beside the output a folder ``.<output>.parts`` holds one Parquet file per shard of users and ``plan.json``,
which says what they belong to. Every file is written under a temporary name and renamed; in the end the
shards become the output, and the folder goes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import locked, write_json
from recbole_mmm4rec.recommend.history_files import SUFFIXES, read_history_file
from recbole_mmm4rec.recommend.ranking import Filters, check_k
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.telling import check_on_unknown, tell, treat_unknown

OUTPUTS = (".parquet", ".csv", ".jsonl")
SCHEMA = pa.schema(
    [("user", pa.string()), ("rank", pa.int32()), ("item", pa.string()), ("score", pa.float32())]
)
_PLAN = "plan.json"


@dataclass(frozen=True)
class Order:
    """What to recommend: the arguments of ``Recommender.recommend`` for a whole file.

    Attributes:
        users: CSV or Parquet file of histories.
        output: Parquet, CSV or JSON Lines file with the columns user, rank, item, score.
        k, exclude_seen, on_unknown: as there.
        allow, deny: ids for all users, or None.
        shard_users: users per shard.
    """

    users: Path
    output: Path
    k: int = 10
    exclude_seen: bool | None = None
    allow: list[str] | None = None
    deny: list[str] | None = None
    on_unknown: str = "warn"
    shard_users: int = 20_000


@dataclass(frozen=True)
class Outcome:
    """Numbers of a finished file: users with a list, users left out, rows."""

    users: int
    left_out: int
    rows: int


def recommend_file(recommender: Recommender, order: Order, show_progress: bool = True) -> Outcome:
    """Recommend to every user of a file; call it again after a kill, and it goes on.

    Raises:
        UserError: bad input, before any work; or another process is at work on the same output.
    """
    _check(recommender, order)
    histories, unknown = read_history_file(order.users, recommender.catalogue)
    treat_unknown(unknown, str(order.users), order.on_unknown)
    if recommender.scorer.layout.time is not None and histories.times is None:
        tell(f"{order.users}: no timestamp: the model, trained with times, takes all events as simultaneous")
    leaves_out = recommender.exclude_seen if order.exclude_seen is None else order.exclude_seen
    filters = Filters(recommender.catalogue, histories.users, order.allow, order.deny, leaves_out)
    treat_unknown(filters.unknown, "allow and deny", order.on_unknown)
    rows = np.flatnonzero(histories.lengths > 0)
    if not len(rows):
        raise UserError(f"{order.users}: no user has an item that the model knows")
    if len(rows) < len(histories):
        left = named(histories.users[histories.lengths == 0])
        tell(f"{order.users}: users without an item that the model knows, left out: {left}")
    with locked(_folder(order)):
        _take_up(order, _fingerprint(recommender, order))
        shards = [rows[at : at + order.shard_users] for at in range(0, len(rows), order.shard_users)]
        with tqdm(total=len(rows), desc="recommend", unit="user", disable=not show_progress) as bar:
            for number, part in enumerate(shards):
                path = _folder(order) / f"part-{number:05d}.parquet"
                if not path.is_file():
                    lists = recommender.ranked(histories, part, filters, order.k)
                    _write_shard(path, (frame for _, frame, _ in _counted(lists, bar)))
                else:
                    bar.update(len(part))
        outcome = _merge(order, len(shards), len(histories))
    shutil.rmtree(_folder(order))
    return outcome


def _check(recommender: Recommender, order: Order) -> None:
    check_k(order.k, len(recommender.items))
    check_on_unknown(order.on_unknown)
    if order.output.suffix not in OUTPUTS:
        raise UserError(f"{order.output}: an output ends in {', '.join(OUTPUTS)}")
    if order.users.suffix not in SUFFIXES:
        raise UserError(f"{order.users}: a file of histories ends in {' or '.join(SUFFIXES)}")
    if order.users.resolve() == order.output.resolve():
        raise UserError(f"{order.output}: the output would replace the histories")
    if order.shard_users < 1:
        raise UserError(f"shard_users: {order.shard_users} is not a whole number from 1")


def _folder(order: Order) -> Path:
    return order.output.with_name(f".{order.output.name}.parts")


def _fingerprint(recommender: Recommender, order: Order) -> str:
    """What the shards depend on; of files their size and time."""
    plan = asdict(order) | {"output": None, "users": None, "on_unknown": None}
    files = [str(order.users), recommender.blueprint.path]
    states = [os.stat(file) for file in files]
    plan["files"] = [
        [file, state.st_size, state.st_mtime_ns] for file, state in zip(files, states, strict=True)
    ]
    plan["index"] = recommender.index
    plan["items"] = hashlib.sha256("\0".join(map(str, recommender.items)).encode()).hexdigest()
    return json.dumps(plan, sort_keys=True)


def _take_up(order: Order, fingerprint: str) -> None:
    """Keep the shards of an interrupted run that was the same; remove those of another."""
    plan, folder = _folder(order) / _PLAN, _folder(order)
    known = json.loads(plan.read_text())["plan"] if plan.is_file() else None
    if known != fingerprint:
        for part in folder.glob("part-*.parquet"):
            part.unlink()
        write_json(plan, {"plan": fingerprint})


def _counted(lists: Iterator[Any], bar: Any) -> Iterator[Any]:
    for part in lists:
        yield part
        bar.update(len(part[0]))


def _write_shard(path: Path, frames: Iterator[pd.DataFrame]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with pq.ParquetWriter(temporary, SCHEMA) as writer:
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, SCHEMA, preserve_index=False))
    os.replace(temporary, path)


def _merge(order: Order, shards: int, users: int) -> Outcome:
    """All shards as one file, in the order of users."""
    temporary = _folder(order) / f"whole{order.output.suffix}"
    served = rows = fewer = 0
    with _Output(temporary) as output:
        for number in range(shards):
            table = pq.read_table(_folder(order) / f"part-{number:05d}.parquet")
            counts = np.unique(table["user"].to_numpy(), return_counts=True)[1]
            served, rows = served + len(counts), rows + table.num_rows
            fewer += int((counts < order.k).sum())
            output.write(table)
    os.replace(temporary, order.output)
    if fewer:
        tell(f"fewer than {order.k} items left after filters for {fewer:,} of {served:,} users")
    return Outcome(served, users - served, rows)


class _Output:
    """A file in the form that its ending says, written table by table."""

    def __init__(self, path: Path) -> None:
        self._parquet = pq.ParquetWriter(path, SCHEMA) if path.suffix == ".parquet" else None
        self._text = None if self._parquet else path.open("w", encoding="utf-8", newline="")
        self._csv, self._begun = path.suffix == ".csv", False

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._parquet, self._text):
            if stream is not None:
                stream.close()

    def write(self, table: pa.Table) -> None:
        if self._parquet is not None:
            self._parquet.write_table(table)
        elif self._csv:
            table.to_pandas().to_csv(self._text, index=False, header=not self._begun)
        else:
            table.to_pandas().to_json(self._text, orient="records", lines=True, force_ascii=False)
        self._begun = True

"""``inspect``: what a dataset holds, in figures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.data.feature_files import open_features
from recbole_mmm4rec.data.modalities import feature_files
from recbole_mmm4rec.data.validation import check_interactions
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import ITEM, USER
from recbole_mmm4rec.prepare.atomic_reading import TIME, as_numbers, read_all, read_header
from recbole_mmm4rec.prepare.wording import counted

_LATEST = 2.0**62
"""A moment beyond it cannot be written as a date."""
INTERACTION = "interaction"


def inspect(name: str, folder: Path) -> Iterator[str]:
    """Yield the lines of the report: sizes, coverage, times, histories, duplicates.

    Raises ``UserError`` for a dataset that is not there or cannot be read.
    """
    path = folder / f"{name}.inter"
    columns = [USER, ITEM, *([TIME] if TIME in read_header(path) else [])]
    table = read_all(path, columns)
    if not table.num_rows:
        raise UserError(f"{path}: no interactions")
    user, users = _codes(table.column(USER))
    item, items = _codes(table.column(ITEM))
    lengths = np.bincount(user)
    yield f"users: {len(users):,}, items: {len(items):,}, interactions: {len(user):,}"
    yield f"history: mean {lengths.mean():.2f}, median {np.median(lengths):g}, longest {lengths.max():,}"
    yield from _modalities(name, folder, items)
    pairs = user.astype(np.int64) * len(items) + item
    repeats = len(pairs) - len(np.unique(pairs))
    yield f"repeats: {counted(repeats, INTERACTION)} with an item the user had before"
    if TIME in columns:
        yield from _times(_numbers(path, table.column(TIME)), user, pairs)
    else:
        yield "times: none, rows are in each user's order"
    yield from _refusal(path, table)


def _refusal(path: Path, table: pa.Table) -> Iterator[str]:
    """Yield why a run would refuse the interactions, by its own checks, where it would."""
    fields = {name: name.split(":")[0] for name in table.column_names}
    frame = {fields[name]: table.column(name).to_pandas() for name in (USER, ITEM)}
    if TIME in fields:
        frame[fields[TIME]] = pd.Series(_numbers(path, table.column(TIME)), name=fields[TIME])
    try:
        check_interactions(path, [fields[USER], fields[ITEM]], TIME.split(":")[0], pd.DataFrame(frame))
    except UserError as error:
        yield f"a run refuses this dataset: {error}"


def _modalities(name: str, folder: Path, items: pa.Array) -> Iterator[str]:
    for modality, path in feature_files(folder, name).items():
        file = open_features(path)
        covered = pc.sum(pc.is_in(items, value_set=pa.array(file.tokens, pa.string()))).as_py()
        encoder = file.metadata.get("encoder", "unknown encoder")
        dimension = file.metadata.get("dimension", file.metadata.get("dim", "?"))
        share = 100 * covered / len(items)
        told = f"{covered:,} of {counted(len(items), 'item')} ({share:.2f} %)"
        yield f"{modality}: {told}, {dimension}-d, {encoder}"


def _numbers(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    """Return the times, NaN where the field is empty."""
    return as_numbers(path, TIME, pc.if_else(pc.equal(column, ""), None, column)).to_numpy()


def _times(times: np.ndarray, user: np.ndarray, pairs: np.ndarray) -> Iterator[str]:
    known = np.abs(times) < _LATEST  # false for NaN
    if not known.all():
        yield f"times: missing or impossible in {counted(len(known) - known.sum(), INTERACTION)}"
    if known.any():
        yield from _known_times(times[known], user[known], pairs[known])


def _known_times(times: np.ndarray, user: np.ndarray, pairs: np.ndarray) -> Iterator[str]:
    first, last = (np.datetime64(int(seconds), "s") for seconds in (times.min(), times.max()))
    yield f"times: {first} to {last} (UTC)"
    order = np.lexsort((times, user))
    same_user = user[order][1:] == user[order][:-1]
    gaps = np.diff(times[order])[same_user]
    if len(gaps):
        middle, high = np.percentile(gaps, [50, 95])
        zero = 100 * (gaps == 0).mean()
        yield f"gaps: {zero:.1f} % zero, median {_duration(middle)}, 95 % below {_duration(high)}"
    order = np.lexsort((times, pairs))
    exact = (np.diff(pairs[order]) == 0) & (np.diff(times[order]) == 0)
    told = counted(int(exact.sum()), "interaction repeats", "interactions repeat")
    yield f"duplicates: {told} user, item and time"


def _duration(seconds: float) -> str:
    sizes = (("day", 86_400), ("hour", 3_600), ("minute", 60))
    unit, size = next((pair for pair in sizes if seconds >= pair[1]), ("second", 1))
    number = f"{seconds / size:.1f}".removesuffix(".0")
    return f"{number} {unit}" if number == "1" else f"{number} {unit}s"


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary

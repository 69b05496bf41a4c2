"""Which users or items go to which part: the same for the same dataset, whatever the order of its rows."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import ITEM, USER
from recbole_mmm4rec.prepare.atomic_reading import read_all, read_batches, read_header

BY_USER, BY_ITEM = "user", "item"


def partition(interactions: Path, items: Path, by: str, count: int) -> tuple[str, list[pa.Array]]:
    """Return the column that decides, ``USER`` or ``ITEM``, and its tokens for each of ``count`` parts.

    ``by``: ``user`` and ``item`` draw parts of equal numbers of them; the name of a column of the file
    ``items`` keeps the items of one value together, with about as many interactions in each part. Raises
    ``UserError`` where there is too little to fill every part.
    """
    column = USER if by == BY_USER else ITEM
    counts = _counts(interactions, column)
    if by in (BY_USER, BY_ITEM):
        groups = {token: token for token in counts}
        chosen = _drawn(counts, count)
    else:
        groups = _values(items, by, counts)
        chosen = _balanced(groups, counts, count)
    if len(chosen) < count:
        raise UserError(f"{interactions}: split by {by}: {len(chosen):,} of them cannot fill {count} parts")
    tokens: list[list[str]] = [[] for _ in range(count)]
    for token, group in groups.items():
        tokens[chosen[group]].append(token)
    return column, [pa.array(part, pa.string()) for part in tokens]


def _counts(path: Path, column: str) -> dict[str, int]:
    """Token -> number of its interactions."""
    counted = pc.value_counts(read_all(path, [column]).column(0))
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _drawn(tokens: Mapping[str, int], count: int) -> dict[str, int]:
    """Parts of equal size: by the rank of the token's hash, which follows no order that a shop has."""
    ranked = sorted(tokens, key=lambda token: hashlib.sha256(token.encode()).digest())
    return {token: rank * count // len(ranked) for rank, token in enumerate(ranked)}


def _values(path: Path, by: str, tokens: Mapping[str, int]) -> dict[str, str]:
    """Item -> its value in the column ``by`` (with or without its type), empty where it has none."""
    header = read_header(path)
    found = [name for name in header if by in (name, name.split(":")[0]) and name != ITEM]
    if not found:
        known = ", ".join([BY_USER, BY_ITEM, *(name.split(":")[0] for name in header if name != ITEM)])
        raise UserError(f"{path}: cannot split by '{by}': choose one of {known}")
    values = dict.fromkeys(tokens, "")
    for batch in read_batches(path, [ITEM, found[0]]):
        pairs = zip(batch.column(ITEM).to_pylist(), batch.column(found[0]).to_pylist(), strict=True)
        values.update((token, value) for token, value in pairs if token in tokens)
    return values


def _balanced(groups: Mapping[str, str], counts: Mapping[str, int], count: int) -> dict[str, int]:
    """Value -> part: the value with most interactions first, each to the part that has fewest so far."""
    sizes = dict.fromkeys(groups.values(), 0)
    for token, value in groups.items():
        sizes[value] += counts[token]
    loads, chosen = np.zeros(count, dtype=np.int64), {}
    for value in sorted(sizes, key=lambda value: (-sizes[value], value)):
        chosen[value] = int(loads.argmin())
        loads[chosen[value]] += sizes[value]
    return chosen

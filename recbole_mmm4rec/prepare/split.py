"""``split``: one dataset -> several that have no user or no item in common, as pre-training needs them."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.columns import FEATURE_SUFFIX
from recbole_mmm4rec.data.feature_files import open_features
from recbole_mmm4rec.data.modalities import feature_files
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic import copy_batches
from recbole_mmm4rec.prepare.atomic_reading import read_all, read_batches, read_header
from recbole_mmm4rec.prepare.feature_rows import Rows, write_rows
from recbole_mmm4rec.prepare.partition import BY_USER, ITEM, USER, partition
from recbole_mmm4rec.prepare.record import known_pictures, picture_folders, record_path
from recbole_mmm4rec.prepare.room import enough_room
from recbole_mmm4rec.prepare.staging import staged_folder
from recbole_mmm4rec.prepare.wording import counted

LOGGER = logging.getLogger(__name__)
ITEM_FILE, USER_FILE, INTERACTIONS = "item", "user", "inter"


def split(name: str, parts: Sequence[str], root: Path, by: str = BY_USER, overwrite: bool = False) -> None:
    """Write the datasets ``<root>/<part>`` from ``<root>/<name>``; rows keep their order and their tokens.

    Every interaction is in exactly one part, see :func:`partition` for ``by``. A part has the items and users
    of its interactions, with their features; filters on the number of interactions are not applied again.
    Raises ``UserError``; the parts appear all or not at all.
    """
    if len(parts) < 2 or len({name, *parts}) != len(parts) + 1:
        raise UserError(f"split: at least two different parts are needed, neither of them called '{name}'")
    source = root / name
    column, tokens = partition(
        source / f"{name}.{INTERACTIONS}", source / f"{name}.{ITEM_FILE}", by, len(parts)
    )
    with ExitStack() as stack:
        folders = [stack.enter_context(staged_folder(root / part, overwrite)) for part in parts]
        for part, folder, kept in zip(parts, folders, tokens, strict=True):
            with enough_room(root / part):
                write_part(root / part, folder, source, column, kept, {"split": {"dataset": name, "by": by}})


def write_part(
    target: Path, folder: Path, source: Path, column: str, kept: pa.Array, record: dict[str, Any]
) -> None:
    """Write the interactions of a dataset that have one of some tokens, with all that belongs to them.

    Args:
        target: where the part will be, a folder with the part's name.
        folder: where it is written until then.
        source: folder of the dataset.
        column: ``USER`` or ``ITEM``.
        kept: tokens of that column.
        record: how the part was chosen, for ``<part>.prepare.json``.
    """
    name, part = source.name, target.name
    interactions = folder / f"{part}.{INTERACTIONS}"
    copy_batches(interactions, *_kept(source / f"{name}.{INTERACTIONS}", column, kept))
    table = read_all(interactions, [USER, ITEM])
    users, items = (pc.unique(table.column(column)) for column in (USER, ITEM))
    for suffix, key, tokens in ((ITEM_FILE, ITEM, items), (USER_FILE, USER, users)):
        path = source / f"{name}.{suffix}"
        if path.is_file():
            copy_batches(folder / f"{part}.{suffix}", *_kept(path, key, tokens))
    for modality, path in feature_files(source, name).items():
        _write_features(path, folder / f"{part}.{modality}{FEATURE_SUFFIX}", items)
    pictures = picture_folders(*known_pictures(name, source), target=target)
    text = json.dumps(record | pictures, indent=2, ensure_ascii=False)
    record_path(folder, part).write_text(text + "\n", encoding="utf-8")
    LOGGER.info(
        "%s: %s, %s, %s",
        part, counted(len(users), "user"), counted(len(items), "item"),
        counted(table.num_rows, "interaction"),
    )  # fmt: skip


def _kept(path: Path, column: str, tokens: pa.Array) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    """Header of an atomic file, and its rows whose ``column`` is one of ``tokens``."""
    header = read_header(path)
    batches = read_batches(path, header)
    return header, (batch.filter(pc.is_in(batch.column(column), value_set=tokens)) for batch in batches)


def _write_features(source: Path, path: Path, items: pa.Array) -> None:
    file = open_features(source)
    keep = pc.is_in(pa.array(file.tokens, pa.string()), value_set=items).to_numpy(zero_copy_only=False)
    if not keep.any():
        LOGGER.warning("%s: no item has a vector in %s: no such file", path.name, source.name)
        return
    write_rows(path, [Rows(file, np.asarray(file.tokens), keep)], dict(file.metadata))

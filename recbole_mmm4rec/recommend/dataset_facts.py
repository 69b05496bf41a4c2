"""What a dataset's folder tells people of items and users: titles, fields, pictures, histories.

A checkpoint needs none of it. It is read once, whatever checkpoint comes later; items that a model does not
know are among it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.prepare.atomic_reading import read_all, read_header
from recbole_mmm4rec.prepare.pictures.names import pictures_in
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, jpeg_thumbnail
from recbole_mmm4rec.prepare.record import known_pictures
from recbole_mmm4rec.recommend.catalogue import as_objects
from recbole_mmm4rec.recommend.histories import ITEM, TIME, USER, Histories, assembled
from recbole_mmm4rec.recommend.moments import as_seconds

SIDE = 400
"""Longest side of a picture in pixels, twice its width on a page."""
_TITLES = ("title", "name", "movie_title")
_CACHED = 2_000
"""Pictures that are kept ready, about 20 kB each."""


@dataclass(frozen=True)
class DatasetFacts:
    """Without a dataset everything is empty.

    Attributes:
        fields: token of an item -> its fields that are not empty.
        pictures: token -> files, the one to try first in front.
        tokens: of the items of ``events``, number 0 is none.
        events: histories of all users; its items are positions in ``tokens``.
        rows: token of a user -> position in ``events``.
    """

    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    pictures: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    tokens: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    events: Histories | None = None
    rows: dict[str, int] = field(default_factory=dict)

    def title(self, item: str) -> str | None:
        """What a person calls the item: its field for that, or its first one."""
        known = self.fields.get(item)
        if not known:
            return None
        return next((known[name] for name in _TITLES if name in known), next(iter(known.values())))

    def categories(self, name: str) -> dict[str, str]:
        """Id of an item -> its value of the field ``name``, of items that have one.

        Raises:
            UserError: no item has such a field; names those that there are.
        """
        found = {item: fields[name] for item, fields in self.fields.items() if name in fields}
        if not found:
            names = dict.fromkeys(field for fields in self.fields.values() for field in fields)
            has = f"it has {', '.join(names)}" if names else "it has no fields of items"
            raise UserError(f"categories: the dataset has no field '{name}' of items; {has}")
        return found

    def history(self, user: str) -> tuple[list[str], list[float] | None] | None:
        """Items, the oldest first, and times of a user; None for one that is not known."""
        if self.events is None or user not in self.rows:
            return None
        own = self.events.of(np.array([self.rows[user]]))
        return self.tokens[own.items].tolist(), None if own.times is None else own.times.tolist()

    def event_count(self, user: str) -> int:
        """Events of a user who is known."""
        assert self.events is not None
        return int(self.events.lengths[self.rows[user]])

    def users_like(self, query: str) -> list[str]:
        """Users whose id holds a text, in the order of the file."""
        return [user for user in self.rows if query in user]


@lru_cache(maxsize=_CACHED)
def thumbnail(paths: tuple[Path, ...], side: int = SIDE) -> bytes:
    """A JPEG of the first of an item's files that can be used, its longest side at most ``side`` pixels.

    Raises:
        UserError: the files are gone, or no pictures; without their paths, which may be private.
    """
    try:
        return jpeg_thumbnail(paths, side)
    except UnusablePicture as problem:
        raise UserError(f"the picture cannot be used: {problem}") from None


def read_dataset(folder: Path | None, pictures: Path | None = None) -> DatasetFacts:
    """The facts in the folder of a dataset.

    Args:
        folder: with ``<name>.item`` or ``<name>.inter``, or both; None: no facts but pictures.
        pictures: a folder of pictures called as the items; None: those that the dataset has or that its
            record names.

    Raises:
        UserError: no such folder, or files that cannot be read; names the file.
    """
    if folder is None:
        if pictures is not None:
            raise UserError("--pictures goes with --dataset, which names the items")
        return DatasetFacts()
    folder, fields = folder.resolve(), read_items(folder).fields
    name = folder.name
    inter = folder / f"{name}.inter"
    tokens, events = _events(inter) if inter.is_file() else (np.empty(0, object), None)
    rows = {} if events is None else {user: row for row, user in enumerate(events.users)}
    folders = [pictures] if pictures is not None else known_pictures(name, folder)
    found = pictures_in(folders, {*fields, *tokens[1:]})
    files = {token: tuple(paths) for token, paths in found.items()}
    return DatasetFacts(fields, files, tokens, events, rows)


def read_items(folder: Path) -> DatasetFacts:
    """Only the fields of items; folder and errors as for :func:`read_dataset`."""
    folder = folder.resolve()
    item, inter = (folder / f"{folder.name}.{ending}" for ending in ("item", "inter"))
    if not item.is_file() and not inter.is_file():
        raise UserError(f"{folder}: not the folder of a dataset: neither {item.name} nor {inter.name}")
    return DatasetFacts(_fields(item) if item.is_file() else {})


def _fields(path: Path) -> dict[str, dict[str, str]]:
    header = read_header(path)
    names = [column.split(":")[0] for column in header]
    if ITEM not in names:
        raise UserError(f"{path}: no column {ITEM}; it has {', '.join(names)}")
    table = read_all(path, header).rename_columns(names)
    ids = table[ITEM].to_pylist()
    others = {name: table[name].to_pylist() for name in names if name != ITEM}
    return {
        token: {name: column[row] for name, column in others.items() if column[row]}
        for row, token in enumerate(ids)
        if token
    }


def _events(path: Path) -> tuple[np.ndarray, Histories]:
    """Tokens of the items, the first one none, and all histories by number in that order."""
    typed = {column.split(":")[0]: column for column in read_header(path)}
    absent = [name for name in (USER, ITEM) if name not in typed]
    if absent:
        raise UserError(f"{path}: no column {absent[0]}; it has {', '.join(typed)}")
    table = read_all(path, [typed[name] for name in (USER, ITEM, TIME) if name in typed])
    users, items = (pd.factorize(_texts(table[typed[name]])) for name in (USER, ITEM))
    times = _seconds(path, table[typed[TIME]]) if TIME in typed else None
    tokens = np.concatenate([np.array([None], object), as_objects(items[1])])
    return tokens, assembled(as_objects(users[1]), users[0], items[0] + 1, times)


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_pandas().to_numpy(dtype=object, na_value="")


def _seconds(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    try:
        return as_seconds(pc.cast(column, pa.float64()).to_pandas())
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: {TIME}: {in_one_line(error)}") from None
    except UserError as error:
        raise UserError(f"{path}: {TIME}: {error}") from None

"""Results of single users: ``users.npz`` of a run, and users matched between runs."""

from dataclasses import dataclass
from functools import reduce
from logging import getLogger
from pathlib import Path

import numpy as np

from recbole_mmm4rec.benchmark.report.metrics import row_values
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.errors import UserError, in_one_line

_PRESENCE = "has_"
_KINDS = {"rank": ("iuf", "numbers")}
"""Kinds of numpy types that an array may have, and what they are called; the others are whole numbers."""


@dataclass(frozen=True)
class UserRows:
    """Test rows of a run, all arrays (n,).

    Attributes:
        user: integer hash of the user; a user may have several rows.
        rank: items that scored higher than the target item.
        tied: other items with its score; files of earlier versions, which broke ties, have none.
        facts: integers known of each row, by name: ``history_length``, ``item``, ``item_count``.
        present: whether the target item has a modality, by its name; bool.
    """

    user: np.ndarray
    rank: np.ndarray
    tied: np.ndarray
    facts: dict[str, np.ndarray]
    present: dict[str, np.ndarray]


@dataclass(frozen=True)
class UserScores:
    """A metric of each user.

    Attributes:
        users: (n,) distinct and sorted.
        values: (n,) float64, averaged over a user's rows.
    """

    users: np.ndarray
    values: np.ndarray


class UserFiles:
    """The per-user files of a benchmark, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[str, UserRows | None] = {}

    def rows(self, run: Run) -> UserRows | None:
        """Test rows of a run; None if it has no file.

        Raises:
            UserError: a file that cannot be read, or an array that is missing or has the wrong type or shape.
        """
        if run.key not in self._rows:
            self._rows[run.key] = self._read(run)
        return self._rows[run.key]

    def scores(self, run: Run, metric: str) -> UserScores | None:
        """A metric of each user of a run; None without a file or if ranks do not determine the metric."""
        rows = self.rows(run)
        values = None if rows is None else row_values(metric, rows.rank, rows.tied)
        if rows is None or values is None:
            return None
        users, place = np.unique(rows.user, return_inverse=True)
        return UserScores(users, np.bincount(place, values) / np.bincount(place))

    def _read(self, run: Run) -> UserRows | None:
        path = self._folder / run.users if run.users else None
        if path is None or not path.is_file():
            if path is not None:
                getLogger().warning("%s does not exist; %s is left out of results by user", path, run.key)
            return None
        return _rows(path, _arrays(path))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz``; pickled objects are never loaded."""
    try:
        found = np.load(path, allow_pickle=False)
    except Exception as error:  # zip, zlib and numpy raise a dozen types for damaged bytes
        raise UserError(f"{path}: cannot be read: {_words(error)}") from error
    if isinstance(found, np.ndarray):
        raise UserError(f"{path}: expected an .npz archive of arrays, found a single array")
    arrays = {}
    with found:
        for name in found.files:
            try:
                arrays[name] = found[name]
            except Exception as error:
                raise UserError(f"{path}: array '{name}' cannot be read: {_words(error)}") from error
            if not isinstance(arrays[name], np.ndarray):
                raise UserError(f"{path}: '{name}' is not an array")
    return arrays


def _rows(path: Path, arrays: dict[str, np.ndarray]) -> UserRows:
    for name in ("user", "rank"):
        if name not in arrays:
            raise UserError(f"{path}: no array '{name}'")
    for name, array in arrays.items():
        _check(path, name, array, arrays["user"])
    user, rank = arrays.pop("user"), arrays.pop("rank")
    tied = arrays.pop("tied", np.zeros_like(rank))
    for name, array in (("rank", rank), ("tied", tied)):
        if not (array >= 0).all():
            raise UserError(f"{path}: '{name}' has values that are not ranks; they count from 0")
    present = {name.removeprefix(_PRESENCE): array for name, array in arrays.items() if _is_flag(name)}
    facts = {name: array for name, array in arrays.items() if not _is_flag(name)}
    return UserRows(user, rank, tied, facts, present)


def _check(path: Path, name: str, array: np.ndarray, user: np.ndarray) -> None:
    kinds, expected = _KINDS.get(name, ("b", "booleans") if _is_flag(name) else ("iu", "whole numbers"))
    if array.dtype.kind not in kinds:
        raise UserError(f"{path}: '{name}': expected {expected}, found {array.dtype}")
    if array.ndim != 1 or array.shape != user.shape:
        raise UserError(f"{path}: '{name}' has shape {array.shape}, 'user' has {user.shape}; expected (n,)")


def _is_flag(name: str) -> bool:
    return name.startswith(_PRESENCE)


def _words(error: Exception) -> str:
    return in_one_line(error) or type(error).__name__


def match_users(scores: list[UserScores]) -> np.ndarray:
    """Values (runs, users) float64 of the users that all runs have, whatever the order of their files."""
    common = reduce(np.intersect1d, (score.users for score in scores))
    return np.stack([score.values[np.searchsorted(score.users, common)] for score in scores])

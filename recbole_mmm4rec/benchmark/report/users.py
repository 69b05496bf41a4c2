"""Results of single users: ``users.npz`` of a run, and users matched between runs."""

import zipfile
from dataclasses import dataclass
from functools import reduce
from logging import getLogger
from pathlib import Path

import numpy as np

from recbole_mmm4rec.benchmark.report.metrics import row_values
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.errors import UserError

_PRESENCE = "has_"


@dataclass(frozen=True)
class UserRows:
    """Test rows of a run, all arrays (n,).

    Attributes:
        user: who; a user may have several rows.
        rank: items that scored higher than the right one.
        tied: other items with its score; files of earlier versions, which broke ties, have none.
        facts: what is known of a row: ``history_length``, ``item``, ``item_count``, by name.
        present: whether the right item has a modality, by its name.
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
        """Test rows of a run; None where it has no file.

        Raises:
            UserError: a file that cannot be read, or lacks an array.
        """
        if run.key not in self._rows:
            self._rows[run.key] = self._read(run)
        return self._rows[run.key]

    def scores(self, run: Run, metric: str) -> UserScores | None:
        """A metric of each user of a run; None where it has no file or ranks do not give the metric."""
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
                getLogger().warning("%s: not there, so %s is left out of results by user", path, run.key)
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: cannot be read: {error}") from error
        return _rows(path, arrays)


def _rows(path: Path, arrays: dict[str, np.ndarray]) -> UserRows:
    for name in ("user", "rank"):
        if name not in arrays:
            raise UserError(f"{path}: no array '{name}'")
    user, rank = arrays.pop("user"), arrays.pop("rank")
    tied = arrays.pop("tied", np.zeros_like(rank))
    for name, array in [("rank", rank), ("tied", tied), *arrays.items()]:
        if array.shape != user.shape:
            raise UserError(f"{path}: '{name}' has shape {array.shape}, 'user' has {user.shape}")
    present = {
        name[len(_PRESENCE) :]: array.astype(bool)
        for name, array in arrays.items()
        if name.startswith(_PRESENCE)
    }
    facts = {name: array for name, array in arrays.items() if not name.startswith(_PRESENCE)}
    return UserRows(user, rank, tied, facts, present)


def match_users(scores: list[UserScores]) -> np.ndarray:
    """Values (runs, users) float64 of the users that all runs have, whatever the order of their files."""
    common = reduce(np.intersect1d, (score.users for score in scores))
    return np.stack([score.values[np.searchsorted(score.users, common)] for score in scores])

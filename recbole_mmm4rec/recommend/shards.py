"""What a batch is made of: shards of histories, each done by itself."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.history_files import SUFFIXES, read_history_file


@dataclass(frozen=True)
class Shard:
    """Users whose lists become one part: of one file among several, or some of one large file.

    Attributes:
        name: of the part, without suffix.
        source: the file.
        rows: (n,) int64 positions of the users in ``whole``; None: all users of the file.
        whole: the histories of a file that is read once for all its shards.
    """

    name: str
    source: Path
    rows: np.ndarray | None = None
    whole: Histories | None = None

    @property
    def size(self) -> int:
        """Users, as far as they are known before the file is read; else 1."""
        return 1 if self.rows is None else len(self.rows)

    @property
    def state(self) -> str:
        """Size and time of the file: a part of another state is made anew."""
        status = self.source.stat()
        return f"{status.st_size} {status.st_mtime_ns}"

    def alone(self) -> Shard:
        """The same without the other users of its file, for another process."""
        if self.whole is None or self.rows is None:
            return self
        return replace(self, rows=np.arange(len(self.rows)), whole=self.whole.of(self.rows))

    def histories(self, catalogue: Catalogue) -> tuple[Histories, Offenders]:
        """Histories of known items, and the items that the catalogue does not have.

        Raises:
            UserError: names the file, and the column or the row.
        """
        if self.whole is None or self.rows is None:
            return read_history_file(self.source, catalogue, may_be_empty=True)
        return self.whole.of(self.rows), Offenders()


def is_one_file(users: Path) -> bool:
    """Whether histories are given as one file, and not as a folder or a pattern of several."""
    return not users.is_dir() and (users.is_file() or not glob.has_magic(str(users)))


def shards_of_files(users: Path) -> list[Shard]:
    """A shard for every file of a folder or of a pattern, in the order of their names.

    Raises:
        UserError: no file, one that is not a file of histories, or two that would have one part.
    """
    paths = sorted(_files(users))
    if not paths:
        raise UserError(f"{users}: no file of histories ({', '.join(SUFFIXES)})")
    shards: dict[str, Shard] = {}
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise UserError(f"{path}: a file of histories ends in {', '.join(SUFFIXES)}")
        if path.stem in shards:
            raise UserError(f"{path} and {shards[path.stem].source}: their lists would have one name")
        shards[path.stem] = Shard(path.stem, path)
    return list(shards.values())


def _files(users: Path) -> Iterator[Path]:
    if users.is_dir():
        yield from (path for path in users.iterdir() if path.suffix in SUFFIXES and path.name[0] not in "._")
    else:
        yield from (path for name in glob.glob(str(users), recursive=True) if (path := Path(name)).is_file())


def shards_of_users(users: Path, histories: Histories, rows: np.ndarray, size: int) -> list[Shard]:
    """Shards of at most ``size`` users of one file, of those at ``rows`` (n,) int64."""
    starts = range(0, len(rows), size)
    return [
        Shard(f"part-{number:05d}", users, rows[at : at + size], histories)
        for number, at in enumerate(starts)
    ]

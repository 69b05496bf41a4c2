"""The hidden folder in which a long preparation works, stops, and goes on."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.room import enough_room
from recbole_mmm4rec.prepare.staging import put_back, refuse_folder, replace_folder


@dataclass(frozen=True)
class Workspace:
    """``dataset`` becomes the dataset's folder at the end; ``cache`` lasts until then, over several runs."""

    dataset: Path
    cache: Path


@contextmanager
def workspace(target: Path, overwrite: bool = False) -> Iterator[Workspace]:
    """Work in ``.<name>.partial`` beside ``target``; after the block its dataset becomes ``target``.

    After an error or an interruption the folder stays, and the next run finds in its cache what was finished:
    pictures and vectors. The dataset begins empty, for a run with other settings makes other files. Raises
    ``UserError`` where ``target`` exists and may not be replaced, or where another run works on it.
    """
    refuse_folder(target, overwrite)
    folder = target.parent / f".{target.name}.partial"
    work = Workspace(folder / "dataset", folder / "cache")
    with enough_room(target), _locked(folder, target):
        put_back(target)
        refuse_folder(target, overwrite)
        work.cache.mkdir(exist_ok=True)
        if work.dataset.exists():
            shutil.rmtree(work.dataset)
        work.dataset.mkdir()
        yield work
        refuse_folder(target, overwrite)
        replace_folder(work.dataset, target)
        shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path, target: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise UserError(f"{target}: another run is preparing it") from error
    try:
        yield
    finally:
        os.close(lock)

"""A dataset folder appears whole or not at all: it is built beside its place and then renamed."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_mmm4rec.columns import IMAGES
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.room import enough_room

LOGGER = logging.getLogger(__name__)


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise ``UserError`` where ``target`` exists and may not be replaced."""
    if os.path.lexists(target) and not overwrite:
        raise UserError(f"{target} exists already; --overwrite replaces it")


def refuse_folder(target: Path, overwrite: bool) -> None:
    """Raise ``UserError`` where ``target`` exists, unless it is a dataset's folder that may be replaced.

    A dataset's folder is a folder, not a link to one; it has the interactions or the items of the dataset it
    is named after, and nothing that is not the dataset's.
    """
    refuse_existing(target, overwrite)
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        kind = "a link" if target.is_symlink() else "a file"
        raise UserError(f"{target} is {kind}; --overwrite replaces only the folder of a dataset")
    names = sorted(path.name for path in target.iterdir())
    own = [name for name in names if name.startswith(f"{target.name}.")]
    foreign = [name for name in {*names} - {*own, IMAGES} if not name.startswith(f".{target.name}.")]
    if foreign or (names and not any(name.endswith((".inter", ".item")) for name in own)):
        held = min(foreign) if foreign else f"neither {target.name}.inter nor {target.name}.item"
        raise UserError(f"{target} holds {held}; --overwrite replaces only the folder of a dataset")


def put_back(target: Path) -> None:
    """Undo half of ``replace_folder``, in the middle of which a run was killed."""
    aside = next(iter(sorted(target.parent.glob(f".{target.name}.old-*/old"))), None)
    if aside is not None and not os.path.lexists(target):
        os.rename(aside, target)
        aside.parent.rmdir()
        LOGGER.warning("%s: put back after a run that was killed", target)


def replace_folder(built: Path, target: Path) -> None:
    """Rename ``built`` to ``target``; a folder that is there moves aside first and is then removed.

    What is being removed has another name than what :func:`put_back` looks for: half of it may be left.
    """
    if not target.exists():
        os.rename(built, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
    os.rename(target, aside / "old")
    try:
        os.rename(built, target)
    except BaseException:
        os.rename(aside / "old", target)
        raise
    else:
        os.rename(aside / "old", aside / "gone")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def staged_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside ``target``: on success it becomes ``target``, on any error it goes."""
    put_back(target)
    refuse_folder(target, overwrite)
    with enough_room(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=target.parent))
        try:
            folder.chmod(0o755)  # mkdtemp makes it private; a dataset is readable like any other folder
            yield folder
            refuse_folder(target, overwrite)  # another process may have been faster
            replace_folder(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

"""A dataset folder appears whole or not at all: it is built beside its place and then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_mmm4rec.errors import UserError


def refuse_existing(target: Path, overwrite: bool) -> None:
    """Raise ``UserError`` where ``target`` exists and may not be replaced."""
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists already; --overwrite replaces it")


def replace_folder(built: Path, target: Path) -> None:
    """Rename ``built`` to ``target``; a folder that is there moves aside first and is then removed."""
    if not target.exists():
        os.rename(built, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent))
    os.rename(target, aside / "old")
    os.rename(built, target)
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def staged_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside ``target``: on success it becomes ``target``, on any error it goes."""
    refuse_existing(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=target.parent))
    try:
        folder.chmod(0o755)  # mkdtemp makes it private; a dataset is readable like any other folder
        yield folder
        replace_folder(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

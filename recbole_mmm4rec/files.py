"""Small files that appear whole or not at all, and the folder that a run works in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recbole_mmm4rec.errors import UserError

try:
    import fcntl
except ImportError:  # a system without it goes unlocked
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_PAGES = (".html", ".htm")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed at the end: a kill leaves the old file or the new.

    Raises:
        UserError: ``path`` is a folder; known before any work, and by the name that the user gave.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def may_hold_page(path: Path) -> bool:
    """Whether writing an HTML page there replaces nothing but another page, going by the ending."""
    return not path.exists() or path.suffix.lower() in _PAGES


def write_text(path: Path, text: str) -> None:
    """Write a text file, see :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """A JSON file, for people too."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """A JSON Lines file: one object a line."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Objects of a JSON Lines file; none where there is no file. A line that is not an object is left out."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return [row for line in lines if isinstance(row := _object(line), dict)]


def _object(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """RecBole writes where it is started: that is to be a folder of the run's own, made if absent."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While this holds, no other process works on the folder; a killed process leaves it free.

    Raises:
        UserError: another process does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "w") as stream:
        try:
            if fcntl is not None:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder}: another process is at work there") from None
        yield

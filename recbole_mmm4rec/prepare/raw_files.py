"""Which raw files a setting names: one, several, a pattern, a folder of parts, plain or packed."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recbole_mmm4rec.errors import UserError

PACKED = (".gz", ".zip")
_MAGIC = "*?["
_NUMBERED = re.compile(r"(\D*)(\d*)", re.ASCII)
_SHOWN = 3
"""Runs of lines that a message names."""


@dataclass(frozen=True)
class RawFile:
    """One raw file; ``member`` is its name inside a zip archive, ``label`` its name in messages."""

    path: Path
    label: str
    member: str = ""

    @cached_property
    def kind(self) -> str:
        """Its ending without ``.gz`` or ``.zip``, such as ``.parquet``, in small letters."""
        name = Path(self.member or self.path.name)
        return (Path(name.stem) if name.suffix.lower() in PACKED else name).suffix.lower()

    @property
    def packed(self) -> bool:
        """Whether it must be unpacked while it is read."""
        return bool(self.member) or self.path.suffix.lower() == ".gz"

    def place(self, number: int) -> str:
        """Name the line, or the row of a Parquet file, with this number (counted from 1)."""
        return f"{self.label} {'row' if self.kind == '.parquet' else 'line'} {number}"

    def places(self, numbers: Sequence[int]) -> str:
        """Name several lines, which are in ascending order; those in succession as a range."""
        runs: list[list[int]] = []
        for number in numbers:
            if runs and runs[-1][-1] == number - 1:
                runs[-1][1:] = [number]
            else:
                runs.append([number])
        told = ", ".join(" to ".join(map(str, run)) for run in runs[:_SHOWN])
        more = ", ..." if len(runs) > _SHOWN else ""
        return self.place(numbers[0]) if len(numbers) == 1 else f"{self.label} lines {told}{more}"


def find_files(folder: Path, names: str | list[str], what: str) -> list[RawFile]:
    """Return every file that ``names`` mean in ``folder``, in their order; of a pattern, ``part-2`` before
    ``part-10``, for without times the order of rows is that of events.

    A name is a file (also tried with ``.gz`` and ``.zip``), a pattern such as ``orders-*.csv``, or a folder
    of which every file is a part (hidden ones, and those such as ``_SUCCESS``, are not). Every name must be
    there: raises ``UserError`` for those that are not, and for a damaged archive.
    """
    listed = [names] if isinstance(names, str) else names
    found = [file for name in listed for file in _named(folder, name)]
    if found and all(_exists(folder, name) for name in listed):
        return list(dict.fromkeys(found))
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder (--source names where the raw files are)")
    absent = [name for name in listed if not _exists(folder, name)]
    raise UserError(f"{folder}: {what} missing, looked for {', '.join(absent)} (also .gz, .zip)")


def no_rows(files: Sequence[RawFile], key: str) -> UserError:
    """Return what to tell of files without a row: empty, or with nothing but a header. ``key`` names them."""
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return UserError(f"{files[0].path}{more}: no rows in it; --{key} names the files to read")


def is_there(folder: Path, names: str | list[str]) -> bool:
    """Tell whether every one of ``names`` means a file in ``folder``."""
    listed = [names] if isinstance(names, str) else names
    return bool(listed) and all(_exists(folder, name) for name in listed)


def _exists(folder: Path, name: str) -> bool:
    return next(iter(_paths(folder, name)), None) is not None


def _named(folder: Path, name: str) -> Iterator[RawFile]:
    for path in _paths(folder, name):
        label = str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
        if path.suffix.lower() != ".zip":
            yield RawFile(path, label)
            continue
        for member in _members(path):
            yield RawFile(path, f"{label}:{member}", member)


def _paths(folder: Path, name: str) -> list[Path]:
    for path in (folder / name, *(folder / f"{name}{ending}" for ending in PACKED)):
        if path.is_file():
            return [path]
    if name and (folder / name).is_dir():
        inside = ((path, path.relative_to(folder / name)) for path in (folder / name).rglob("*"))
        return sorted((path for path, part in inside if _is_part(part, path)), key=_in_order)
    if any(letter in name for letter in _MAGIC) and not Path(name).is_absolute():
        return sorted((path for path in folder.glob(name) if path.is_file()), key=_in_order)
    return []


def _in_order(path: str | Path) -> tuple[list[tuple[str, int]], str]:
    """Sort by letters, and runs of digits by their value: letters and the number after them, by turns."""
    found = _NUMBERED.findall(str(path))
    return [(letters, int(digits or -1)) for letters, digits in found], str(path)


def _is_part(inside: Path, path: Path) -> bool:
    return path.is_file() and not any(part.startswith((".", "_")) for part in inside.parts)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise UserError(f"{path}: damaged zip ({error}; fetch it again)") from error
    shown = (name for name in names if not any(part.startswith((".", "_")) for part in Path(name).parts))
    kept = sorted(shown, key=_in_order)
    if not kept:
        raise UserError(f"{path}: a zip without files")
    return kept

"""Opening raw files: plain or gzip, with progress, and with one clear error for a damaged one."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tqdm import tqdm

from recbole_mmm4rec.errors import UserError

MAX_LINE = 1 << 24
"""Longest line read, in bytes; more is no record of any publisher."""


def find_file(folder: Path, names: str | list[str], what: str) -> Path:
    """Return the first of ``names`` in ``folder``, each also tried with ``.gz``; raise ``UserError`` else."""
    listed = [names] if isinstance(names, str) else names
    for name in listed:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder (--source names where the raw files are)")
    raise UserError(f"{folder}: {what} missing, looked for {', '.join(listed)} (also .gz)")


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a text file, gzipped or not, without their ends; an overlong one comes cut."""
    with open_raw(path) as stream:
        while line := stream.readline(MAX_LINE):
            yield line.rstrip(b"\r\n")


@contextmanager
def open_raw(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for reading bytes with a progress bar; errors while reading become one ``UserError``."""
    with (
        path.open("rb") as file,
        tqdm(
            total=path.stat().st_size, desc=path.name, unit="B", unit_scale=True, leave=False, disable=None
        ) as bar,
    ):
        counted = _Counted(file, bar)
        try:
            raw = cast(BinaryIO, counted)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")) if path.suffix == ".gz" else raw
        except EOFError as error:
            raise UserError(f"{path}: truncated gzip, the file ends too early (fetch it again)") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{path}: damaged gzip ({error}; fetch it again)") from error


class _Counted:
    """A file that moves a progress bar."""

    def __init__(self, file: BinaryIO, bar: tqdm) -> None:
        self._file, self._bar = file, bar

    def read(self, size: int = -1) -> bytes:
        return self._count(self._file.read(size))

    def readline(self, size: int = -1) -> bytes:
        return self._count(self._file.readline(size))

    def _count(self, data: bytes) -> bytes:
        self._bar.update(len(data))
        return data

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

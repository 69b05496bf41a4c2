"""Opening raw files: plain, gzip or zip, with progress, and with one clear error for a damaged one."""

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, BinaryIO, TextIO, cast

from tqdm import tqdm

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.raw_files import RawFile

MAX_LINE = 1 << 24
"""Longest line read, in characters; more is not a record of any publisher."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and their encodings; that of UTF-32 begins as that of UTF-16 does."""


def check_encoding(name: str) -> None:
    """Raise ``UserError`` where ``name`` is not an encoding of text that Python knows."""
    try:
        "a".encode(name)
    except (LookupError, ValueError) as error:
        raise UserError(
            f"encoding: {name!r} is not a known encoding (utf-8, cp1252, latin-1, utf-16)"
        ) from error


def read_lines(file: RawFile, encoding: str) -> Iterator[str]:
    """Yield the lines of a text file with their ends; an overlong one comes in pieces."""
    with open_text(file, encoding) as text:
        yield from iter(partial(text.readline, MAX_LINE), "")


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, which are LF, CR LF or CR as in a file."""
    return iter(io.StringIO(text, newline=""))


@contextmanager
def open_text(file: RawFile, encoding: str) -> Iterator[TextIO]:
    """Open a text file; its ends of lines stay as they are.

    A byte order mark wins over ``encoding``. Bytes that are not in the encoding come as lone surrogates
    (``surrogateescape``), so that the rest of their line can be used and they can be reported.
    """
    with open_raw(file) as stream:
        buffered = io.BufferedReader(cast(io.RawIOBase, stream))
        start = buffered.peek(4)[:4]
        marked = next((name for mark, name in _MARKS if start.startswith(mark)), encoding)
        try:
            yield io.TextIOWrapper(buffered, marked, errors="surrogateescape", newline="")
        except UnicodeError as error:
            raise UserError(
                f"{file.path}: not text in the encoding {marked} (--encoding): {error}"
            ) from error


@contextmanager
def open_raw(file: RawFile) -> Iterator[BinaryIO]:
    """Open ``file`` for reading bytes with a progress bar; errors while reading become one ``UserError``."""
    path = file.path
    with ExitStack() as opened:
        try:
            yield _unpacked(file, opened)
        except EOFError as error:
            raise UserError(f"{path}: truncated gzip, the file ends too early (fetch it again)") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            kind = "zip" if file.member else "gzip"
            raise UserError(f"{path}: damaged {kind} ({error}; fetch it again)") from error
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            if not file.member:
                raise
            raise UserError(f"{path}: cannot be unpacked ({error})") from error


def _unpacked(file: RawFile, opened: ExitStack) -> BinaryIO:
    if file.member:
        archive = opened.enter_context(zipfile.ZipFile(file.path))
        raw, size = opened.enter_context(archive.open(file.member)), archive.getinfo(file.member).file_size
    else:
        raw, size = opened.enter_context(file.path.open("rb")), file.path.stat().st_size
    bar = opened.enter_context(
        tqdm(total=size, desc=file.label, unit="B", unit_scale=True, leave=False, disable=None)
    )
    counted = cast(BinaryIO, _Counted(raw, bar))
    packed = (file.member or file.path.name).lower().endswith(".gz")
    return cast(BinaryIO, gzip.GzipFile(fileobj=counted, mode="rb")) if packed else counted


class _Counted(io.RawIOBase):
    """A file that moves a progress bar."""

    def __init__(self, file: Any, bar: tqdm) -> None:
        self._file, self._bar = file, bar

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._bar.update(len(data))
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

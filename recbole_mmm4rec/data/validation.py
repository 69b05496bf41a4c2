"""What a dataset folder and its interaction file must satisfy, checked before any work.

Each complaint is one :class:`UserError` line that names the file, the line or column and the first offenders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from logging import getLogger
from pathlib import Path

import numpy as np
import pandas as pd
from recbole.utils.enum_type import FeatureType

from recbole_mmm4rec.data.offenders import Offenders, named
from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.times import common_unit, possible

SUFFIX = ".inter"
PAD_TOKEN = "[PAD]"


def existing_datasets(data_path: str | Path) -> list[str]:
    """Names of the folders under ``data_path`` that hold interactions."""
    folders = sorted(Path(data_path).iterdir()) if Path(data_path).is_dir() else []
    return [folder.name for folder in folders if list(folder.glob(f"{folder.name}.*inter"))]


def check_folder(folder: Path, dataset: str) -> None:
    """Refuse a dataset that does not exist; nothing is ever downloaded."""
    if not folder.is_dir():
        names = ", ".join(existing_datasets(folder.parent)) or "none"
        raise UserError(f'dataset "{dataset}" does not exist: no folder {folder}; data_path has: {names}')


def check_file(path: Path) -> None:
    """Refuse an interaction file that is missing or has no line after its header."""
    if not path.is_file():
        raise UserError(f"{path}: interaction file missing")
    with path.open("rb") as stream:
        header, first = stream.readline(), stream.readline()
    if not header.strip():
        raise UserError(f"{path}: empty file; its first line must name columns as name:type")
    if not first:
        raise UserError(f"{path}: no interaction after the header")


def read_header(path: Path, separator: str, encoding: str | None) -> dict[str, FeatureType]:
    """Return field -> type from the first line of an atomic file, in the file's order."""
    with path.open(encoding=encoding or "utf-8") as stream:
        line = _first_line(path, stream)
    if line.startswith("\ufeff"):
        raise UserError(f"{path}: begins with a byte-order mark; save it without, or set encoding: utf-8-sig")
    columns = line.split(separator)
    types: dict[str, FeatureType] = {}
    for number, column in enumerate(columns, start=1):
        field, _, kind = column.partition(":")
        if not field or kind not in {known.value for known in FeatureType}:
            choices = ", ".join(known.value for known in FeatureType)
            raise UserError(f'{path}: line 1, column {number} is "{column}", not name:type ({choices})')
        if field in types:
            raise UserError(f'{path}: line 1 names the column "{field}" twice')
        types[field] = FeatureType(kind)
    return types


def _first_line(path: Path, lines: Iterator[str]) -> str:
    try:
        return next(lines).rstrip("\n")
    except UnicodeDecodeError as problem:
        raise UserError(f"{path}: not text in the expected encoding (key encoding): {problem}") from problem


def check_columns(path: Path, types: dict[str, FeatureType], ids: list[str], time: str | None) -> None:
    """Refuse a header without the id columns, with ids that are not tokens or times that are not numbers."""
    for field in ids:
        if field not in types:
            raise UserError(f"{path}: column {field}:token missing; line 1 has {named(types)}")
        if types[field] != FeatureType.TOKEN:
            raise UserError(f"{path}: column {field} is {types[field].value}, must be {field}:token")
    if time in types and types[time] != FeatureType.FLOAT:
        raise UserError(f"{path}: column {time} is {types[time].value}, must be {time}:float")


def check_times(path: Path, times: pd.Series, locate: Callable[[Callable[[str], bool]], Offenders]) -> None:
    """Refuse times that are missing, not finite, or outside of 1970 to 2099, as ``prepare`` does.

    A file whose times are all in another unit than seconds is reported and accepted: its order is right.
    ``locate`` finds the lines whose text passes a test.
    """
    values = times.to_numpy()
    if not np.isfinite(values).all():
        raise UserError(f"{path}: {times.name} is missing or not finite in {locate(_not_finite)}")
    if possible(values).all():
        return
    unit = common_unit(values)
    if unit is None:
        raise UserError(f"{path}: {times.name} is before 1970 or after 2100 in {locate(_not_possible)}")
    getLogger().warning(f"{path}: {times.name} is in {unit}, and times are taken for seconds: divide them.")


def check_pad(path: Path, tokens: pd.Series, locate: Callable[[Callable[[str], bool]], Offenders]) -> None:
    """Refuse the token that RecBole keeps for empty positions; ``locate`` as in ``check_times``."""
    if (tokens == PAD_TOKEN).any():
        raise UserError(
            f"{path}: {tokens.name} is {PAD_TOKEN}, which RecBole keeps for empty positions, in "
            f"{locate(lambda text: text == PAD_TOKEN)}; rename it"
        )


def check_interactions(path: Path, ids: list[str], time: str, frame: pd.DataFrame) -> None:
    """Refuse what a run refuses of an interaction file, in one line.

    Args:
        path: a tab-separated file.
        ids: names of the columns of users and items.
        time: name of the column of times, which the file may lack.
        frame: what was read of these columns, by name; ids as text.

    Raises:
        UserError: naming the column and the lines.
    """
    types = read_header(path, "\t", None)
    check_columns(path, types, ids, time)

    def locator(field: str) -> Callable[[Callable[[str], bool]], Offenders]:
        return lambda wrong: offending_lines(path, list(types).index(field), "\t", wrong)

    for field in ids:
        check_pad(path, frame[field], locator(field))
    if time in types:
        check_times(path, frame[time], locator(time))


def check_widths(path: Path, width: int, separator: str) -> None:
    """Refuse lines with more columns than the header, which pandas would shift; it fills up shorter ones.

    Where separators have a meaning beyond one letter (in quotation marks, as a pattern) nothing is counted.
    """
    if len(separator) != 1 or b'"' in path.read_bytes():
        return
    wrong = Offenders()
    for number, cells in _cells(path, separator):
        if len(cells) > width:
            wrong.add([f"line {number} has {len(cells)}"])
    if wrong:
        raise UserError(f"{path}: more than the {width} columns of line 1: {wrong}")


def explain_unreadable(
    path: Path, types: dict[str, FeatureType], separator: str, problem: Exception
) -> UserError:
    """Return the error for a file that pandas could not read: the first lines that are to blame."""
    numbers = [
        (place, field) for place, (field, kind) in enumerate(types.items()) if kind == FeatureType.FLOAT
    ]
    for place, field in numbers:
        wrong = offending_lines(path, place, separator, _not_a_number)
        if wrong:
            return UserError(f"{path}: {field} is not a number in {wrong}")
    return UserError(f"{path}: cannot be read: {in_one_line(problem)}")


def offending_lines(path: Path, place: int, separator: str, wrong: Callable[[str], bool]) -> Offenders:
    """Lines whose column number ``place`` is ``wrong``; a slow walk, for when an error is certain."""
    found = Offenders()
    for number, cells in _cells(path, separator):
        text = cells[place] if place < len(cells) else ""
        if wrong(text):
            found.add([f'line {number} ("{text}")'])
    return found


def _cells(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        next(stream, None)
        for number, line in enumerate(stream, start=2):
            if line.strip("\n"):
                yield number, line.rstrip("\n").split(separator)


def _not_a_number(text: str) -> bool:
    try:
        return bool(text.strip()) and float(text) is None
    except ValueError:
        return True


def _not_possible(text: str) -> bool:
    return not possible(np.array([float(text)])).all()


def _not_finite(text: str) -> bool:
    try:
        return not np.isfinite(float(text))
    except ValueError:
        return True

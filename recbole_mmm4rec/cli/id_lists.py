"""Ids of items as a command takes them: in a flag, or in a text file."""

import csv
import json
from pathlib import Path
from typing import Any

from recbole_mmm4rec.errors import UserError


def ids_of_flag(flag: str, text: str | None) -> list[Any] | None:
    """Ids separated by commas, one with a comma in quotation marks as in CSV; or a JSON list.

    Raises:
        UserError: a quotation mark that is not closed, or a JSON list of something else than ids.
    """
    if text is None:
        return None
    listed = _json_list(text)
    if listed is not None:
        if any(isinstance(one, bool) or not isinstance(one, str | int) for one in listed):
            raise UserError(f"{flag}: {text}: a JSON list of ids holds texts and whole numbers only")
        return listed
    try:
        row = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise UserError(
            f'{flag}: {text}: {error}; write an id with a comma as "a,b", a quotation mark in it twice'
        ) from None
    return [part.strip() for part in row if part.strip()]


def _json_list(text: str) -> list[Any] | None:
    """None where it is not a list, for an id may begin with a bracket."""
    try:
        value = json.loads(text) if text.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def ids_of_file(path: str | None) -> list[str] | None:
    """Ids of a text file, one per line.

    Raises:
        UserError: not a text file in UTF-8.
    """
    if path is None:
        return None
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    return [name for line in lines if (name := line.strip())]


def allowed_ids(path: str | None) -> list[str] | None:
    """Those of ``--allow``: a file without one would leave nothing to recommend.

    Raises:
        UserError: the file holds no ids; as for :func:`ids_of_file`.
    """
    ids = ids_of_file(path)
    if ids == []:
        raise UserError(f"{path}: no id in it; --allow needs at least one, each on a line of its own")
    return ids

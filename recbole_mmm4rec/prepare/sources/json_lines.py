"""One object per line, as JSON or as a Python literal, parsed without ever running it."""

import ast
import json
from collections.abc import Iterator
from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources.opening import MAX_LINE, read_lines
from recbole_mmm4rec.prepare.tally import RowCount

_MARGIN = " \t\ufeff"
_REFUSED = (ValueError, SyntaxError, RecursionError, MemoryError, TypeError)


def read_objects(file: RawFile, rows: RowCount, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object); what is not an object is counted in ``rows`` and skipped.

    Raises ``UserError`` for a file that begins as one JSON array: its lines would be skipped one by one, with
    the last object kept where that has a line of its own.
    """
    begun = False
    for number, line in enumerate(read_lines(file, encoding), start=1):
        if not line.strip():
            continue
        if not begun and line.lstrip(_MARGIN).startswith("["):
            advice = "write one object a line, as jq -c '.[]' does"
            raise UserError(f"{file.path}: line {number} begins a JSON array; {advice}")
        begun = True
        rows.met()
        parsed = parse_object(line) if len(line) < MAX_LINE and not _broken(line) else None
        if parsed is None:
            rows.skip(_reason(line, encoding), file.place(number))
        else:
            yield number, parsed


def parse_object(line: str) -> dict[str, Any] | None:
    """Parse JSON, else a Python literal such as Amazon's 2014 files hold; None for anything else."""
    try:
        value = json.loads(line)
    except _REFUSED:
        value = _literal(line)
    return value if isinstance(value, dict) else None


def _literal(line: str) -> Any:
    if not line.lstrip().startswith("{"):
        return None
    try:
        return ast.literal_eval(line.strip())
    except _REFUSED:
        return None


def _broken(line: str) -> bool:
    """Tell whether a line has bytes that are not in its encoding."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return True
    return False


def _reason(line: str, encoding: str) -> str:
    if len(line) >= MAX_LINE:
        return f"lines skipped: longer than {MAX_LINE >> 20} MiB"
    if _broken(line):
        return f"lines skipped: not {encoding.upper()}"
    return "lines skipped: not a JSON object"

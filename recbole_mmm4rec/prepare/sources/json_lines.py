"""One object a line, as JSON or as a Python literal, parsed without ever running it."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recbole_mmm4rec.prepare.sources.files import MAX_LINE, read_lines
from recbole_mmm4rec.prepare.tally import Tally

_REFUSED = (ValueError, SyntaxError, RecursionError, MemoryError, TypeError)


def read_objects(path: Path, tally: Tally) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object); what is no object is counted in ``tally`` and skipped."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        parsed = parse_object(line) if len(line) < MAX_LINE else None
        if parsed is None:
            tally.add(_reason(line), f"{path.name} line {number}")
        else:
            yield number, parsed


def parse_object(line: bytes) -> dict[str, Any] | None:
    """Parse JSON, else a Python literal such as Amazon's 2014 files hold; None for anything else."""
    try:
        value = json.loads(line)
    except _REFUSED:
        value = _literal(line)
    return value if isinstance(value, dict) else None


def _literal(line: bytes) -> Any:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return ast.literal_eval(line.decode())
    except _REFUSED:
        return None


def _reason(line: bytes) -> str:
    if len(line) >= MAX_LINE:
        return f"lines skipped: longer than {MAX_LINE >> 20} MiB"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "lines skipped: not UTF-8"
    return "lines skipped: no JSON object"

"""Read ``runs.jsonl``: one run a line, as a benchmark appends them."""

import json
from logging import getLogger
from pathlib import Path

from recbole_mmm4rec.benchmark.report.run import Run, run_from
from recbole_mmm4rec.errors import UserError


def read_runs(path: Path) -> list[Run]:
    """All runs of a file, in its order; of lines with the same key and setting the last one counts.

    A last line that was cut off (a benchmark was killed while it wrote) is left out, with a line in the log.

    Raises:
        UserError: there is no file, no run in it, or a broken line, which is named by its number.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; a report needs the folder of a benchmark")
    lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    runs: dict[tuple[str, str], Run] = {}
    for number, line in enumerate(lines, start=1):
        run = _read(path, number, line, last=number == len(lines)) if line.strip() else None
        if run:
            runs[run.key, run.setting] = run
    if not runs:
        raise UserError(f"{path}: no run in it")
    return list(runs.values())


def _read(path: Path, number: int, line: str, last: bool) -> Run | None:
    """A line's run. Only a line without its line feed is ``last``, and only that one may be cut off."""
    try:
        entry = json.loads(line)
    except ValueError as error:
        if last:
            getLogger().warning("%s, line %d: cut off and left out", path, number)
            return None
        raise UserError(f"{path}, line {number}: no JSON: {error}") from error
    try:
        return run_from(entry)
    except ValueError as error:
        raise UserError(f"{path}, line {number}: {error}") from error

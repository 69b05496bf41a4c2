"""The folder of a benchmark: ``runs.jsonl``, and a folder per run under ``runs``."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_mmm4rec.benchmark.record import FINISHED
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.files import read_json_lines, write_json_lines
from recbole_mmm4rec.quick_start.run_key import short_hash
from recbole_mmm4rec.schema import checked

RUNS = "runs.jsonl"
LOG, RECORD, USERS, WEIGHTS = "log.txt", "record.json", "users.npz", "model.pth"
"""Files in a run's folder."""


class Results:
    """Records of the runs that ended, by key.

    The file is rewritten with every record and renamed, so that a reader always sees a whole file.

    Raises:
        UserError: a line of the file is a JSON object but not a record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = [row for row in read_json_lines(folder / RUNS) if "key" in row]
        for row in rows:
            checked(Run, f"{folder / RUNS}, run {row['key']}", row)
        self.rows = {row["key"]: row for row in rows}

    def add(self, record: dict[str, Any]) -> None:
        """Add a record, replacing an earlier record of the same run."""
        self.rows[record["key"]] = record
        self._write()

    def keep_those_of(self, plans: Iterable[RunPlan]) -> None:
        """Leave out runs of settings that were changed or removed; other seeds of the same settings stay.

        The folders of the runs remain, so that nothing is repeated when they are wanted again.
        """
        wanted = {_identity(plan.setting, plan.dataset, plan.config) for plan in plans}
        kept = {
            key: row
            for key, row in self.rows.items()
            if _identity(row["setting"], row["dataset"], row.get("config") or {}) in wanted
        }
        if kept != self.rows:
            self.rows = kept
            self._write()

    def take_up(self, plan: RunPlan) -> bool:
        """Whether a run is finished; if so, its record is now listed under the plan's label.

        The run's folder decides, so that deleting the folder repeats the run. The run may have finished under
        another label, or in a process that was killed before it could list the record.

        Raises:
            UserError: the folder has a file that is not a record.
        """
        record = finished_run(self.folder, plan.key)
        if record is None or record["status"] != FINISHED:
            return False
        if plan.stage == "pretrain" and not (run_folder(self.folder, plan.key) / WEIGHTS).is_file():
            return False
        labelled = record | {"setting": plan.setting, "changes": plan.changes}
        if self.rows.get(plan.key) != labelled:
            self.add(labelled)
        return True

    def _write(self) -> None:
        write_json_lines(self.folder / RUNS, list(self.rows.values()))


def run_folder(folder: Path, key: str) -> Path:
    """The folder of a run's log and files."""
    return folder / "runs" / key


def finished_run(folder: Path, key: str) -> dict[str, Any] | None:
    """The record of a run that ended, finished or failed; None if there is none that is readable as JSON.

    Raises:
        UserError: the file is not a record.
    """
    path = run_folder(folder, key) / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    checked(Run, str(path), record)
    return record


def _identity(setting: str, dataset: str, config: dict[str, Any]) -> str:
    """What runs that differ only by seed have in common."""
    return short_hash([setting, dataset, {key: value for key, value in config.items() if key != "seed"}])

"""The folder of a benchmark: ``runs.jsonl``, and a folder per run under ``runs``."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_mmm4rec.benchmark.record import FINISHED
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.files import read_json_lines, write_json_lines
from recbole_mmm4rec.quick_start.run_key import package_versions, short_hash
from recbole_mmm4rec.schema import checked

RUNS = "runs.jsonl"
LOG, RECORD, USERS, WEIGHTS = "log.txt", "record.json", "users.npz", "model.pth"
"""Files in a run's folder."""

RUN_FOLDERS = "runs"


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

        Left out too are runs that are planned again because data or code changed. The folders of all of them
        remain, so that nothing is repeated when they are wanted again.
        """
        keys, planned = set(), set()
        for plan in plans:
            keys.add(plan.key)
            planned.add((_identity(plan.setting, plan.dataset, plan.config), plan.seed))
        wanted = {identity for identity, _ in planned}

        def stays(key: str, row: dict[str, Any]) -> bool:
            identity = _identity(row["setting"], row["dataset"], row.get("config") or {})
            return identity in wanted and (key in keys or (identity, row["seed"]) not in planned)

        kept = {key: row for key, row in self.rows.items() if stays(key, row)}
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
        record = self._finished(plan.key)
        if record is None:
            return False
        labelled = record | {"setting": plan.setting, "changes": plan.changes}
        if self.rows.get(plan.key) != labelled:
            self.add(labelled)
        return True

    def finished_tasks(self) -> dict[str, str]:
        """Key of a finished run by its task: of this code if there is one, else the latest of other code."""
        keys = sorted(path.name for path in (self.folder / RUN_FOLDERS).glob("*"))
        records = [
            record for record in map(self._finished, keys) if record is not None and record.get("task")
        ]
        versions = package_versions()
        records.sort(key=lambda record: (_is_of(record, versions), record["finished"]))
        return {record["task"]: record["key"] for record in records}

    def of_other_code(self, plans: Iterable[RunPlan]) -> list[RunPlan]:
        """Plans of which only other code has results, those with the key of such results among them."""
        tasks = self.finished_tasks()
        return [
            plan
            for plan in plans
            if plan.task in tasks and not _is_of(self._finished(tasks[plan.task]) or {}, plan.versions)
        ]

    def _finished(self, key: str) -> dict[str, Any] | None:
        """The record of a finished run; None also for pre-training whose weights are gone."""
        record = finished_run(self.folder, key)
        if record is None or record["status"] != FINISHED:
            return None
        lost = record["stage"] == "pretrain" and not (run_folder(self.folder, key) / WEIGHTS).is_file()
        return None if lost else record

    def _write(self) -> None:
        write_json_lines(self.folder / RUNS, list(self.rows.values()))


def run_folder(folder: Path, key: str) -> Path:
    """The folder of a run's log and files."""
    return folder / RUN_FOLDERS / key


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


def _is_of(record: dict[str, Any], versions: dict[str, str]) -> bool:
    """Whether a run is of these versions."""
    return versions.items() <= record.get("versions", {}).items()


def _identity(setting: str, dataset: str, config: dict[str, Any]) -> str:
    """What runs that differ only by seed have in common."""
    return short_hash([setting, dataset, {key: value for key, value in config.items() if key != "seed"}])

"""The folder of a benchmark: ``runs.jsonl`` and what lies beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_mmm4rec.benchmark.plan import RunPlan
from recbole_mmm4rec.benchmark.record import FINISHED
from recbole_mmm4rec.benchmark.single_run import RUN_FOLDERS, WEIGHTS, finished_run, run_folder
from recbole_mmm4rec.host.files import read_json_lines, write_json_lines
from recbole_mmm4rec.host.run_key import package_versions, short_hash

RUNS = "runs.jsonl"


class Results:
    """Records of the runs that are over, by key.

    The file is written anew with every record and renamed, so that it is whole whenever it is read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = {row["key"]: row for row in read_json_lines(folder / RUNS) if "key" in row}

    def add(self, record: dict[str, Any]) -> None:
        """Add a record, in the place of an earlier one of the same run."""
        self.rows[record["key"]] = record
        self._write()

    def keep_those_of(self, plans: Iterable[RunPlan]) -> None:
        """Leave out runs of settings that are now other ones, or gone; other seeds of the same ones stay.

        Left out too are runs that are planned again because data or code changed. The folders of all of them
        remain, so that nothing is repeated when they are wanted again.
        """
        keys, planned = set(), set()
        for plan in plans:
            keys.add(plan.key)
            planned.add((_identity(plan.setting, plan.dataset, plan.config), plan.seed))
        wanted = {identity for identity, _ in planned}

        def stays(key: str, row: dict[str, Any]) -> bool:
            identity = _identity(row["setting"], row["dataset"], row["config"])
            return identity in wanted and (key in keys or (identity, row["seed"]) not in planned)

        kept = {key: row for key, row in self.rows.items() if stays(key, row)}
        if kept != self.rows:
            self.rows = kept
            self._write()

    def take_up(self, plan: RunPlan) -> bool:
        """Whether a run is finished; its record is then there under the plan's own label.

        Its own folder decides, so that deleting that repeats the run. It may have been finished under another
        label, or by a process that was killed before it could say so.
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
        tasks, versions = self.finished_tasks(), package_versions()
        return [
            plan
            for plan in plans
            if plan.task in tasks and not _is_of(self._finished(tasks[plan.task]) or {}, versions)
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


def _is_of(record: dict[str, Any], versions: dict[str, str]) -> bool:
    """Whether a run is of these versions."""
    return versions.items() <= record.get("versions", {}).items()


def _identity(setting: str, dataset: str, config: dict[str, Any]) -> str:
    """What runs share that differ by seed alone."""
    return short_hash([setting, dataset, {key: value for key, value in config.items() if key != "seed"}])

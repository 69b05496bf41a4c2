"""The folder of a benchmark: ``runs.jsonl`` and what lies beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_mmm4rec.benchmark.plan import RunPlan
from recbole_mmm4rec.benchmark.record import FINISHED
from recbole_mmm4rec.benchmark.single_run import WEIGHTS, finished_run, run_folder
from recbole_mmm4rec.files import read_json_lines, write_json_lines
from recbole_mmm4rec.quick_start.run_key import short_hash

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

        Their own folders remain, so that nothing is repeated when they are wanted again.
        """
        wanted = {_identity(plan.setting, plan.dataset, plan.config) for plan in plans}
        kept = {
            key: row
            for key, row in self.rows.items()
            if _identity(row["setting"], row["dataset"], row["config"]) in wanted
        }
        if kept != self.rows:
            self.rows = kept
            self._write()

    def take_up(self, plan: RunPlan) -> bool:
        """Whether a run is finished; its record is then there under the plan's own label.

        Its own folder decides, so that deleting that repeats the run. It may have been finished under another
        label, or by a process that was killed before it could say so.
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


def _identity(setting: str, dataset: str, config: dict[str, Any]) -> str:
    """What runs share that differ by seed alone."""
    return short_hash([setting, dataset, {key: value for key, value in config.items() if key != "seed"}])

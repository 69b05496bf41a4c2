"""Many runs, several at a time: pre-training first, and no finished run twice."""

import logging
from collections.abc import Iterable

from tqdm import tqdm

from recbole_mmm4rec.benchmark.launchers import Launcher
from recbole_mmm4rec.benchmark.record import FINISHED, failed_record
from recbole_mmm4rec.benchmark.results import RECORD, Results, finished_run, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan, with_pretraining

LOGGER = logging.getLogger("recbole_mmm4rec")


class Schedule:
    """Does the runs of a list and puts their records into a folder of results.

    Args:
        plans: the runs; each contains the plan of its pre-training.
        results: where records go.
        launcher: starts the runs.
        workers: number of runs at a time.
        beside: runs that are over and whose records stay listed, failed ones too.
    """

    def __init__(
        self,
        plans: Iterable[RunPlan],
        results: Results,
        launcher: Launcher,
        workers: int = 1,
        beside: Iterable[RunPlan] = (),
    ) -> None:
        self.results, self.launcher, self.workers = results, launcher, max(workers, 1)
        self.waiting = with_pretraining(plans)
        self.beside = with_pretraining(beside)
        self.number = len(self.waiting)
        self.running: set[str] = set()
        self.failed: dict[str, str] = {}

    def work(self) -> int:
        """Do every run that is not finished; return how many failed."""
        self._leave_out_finished()
        with tqdm(total=self.number, unit="run", disable=None) as bar:
            bar.update(self.number - len(self.waiting))
            try:
                while self.waiting or self.running:
                    self._start_ready(bar)
                    for plan, ending in self.launcher.wait() if self.running else []:
                        self.running.discard(plan.key)
                        self._finish(plan, ending, bar)
            finally:
                self.launcher.stop()
        return len(self.failed)

    def _leave_out_finished(self) -> None:
        self.results.keep_those_of([*self.waiting, *self.beside])
        self.waiting = [plan for plan in self.waiting if not self.results.take_up(plan)]
        LOGGER.info("%d runs, %d of them already finished", self.number, self.number - len(self.waiting))

    def _start_ready(self, bar: tqdm) -> None:
        """Start runs whose pre-training is done, up to the limit; give up those whose pre-training failed."""
        for plan in list(self.waiting):
            source = plan.pretrain.key if plan.pretrain else None
            if source in self.failed:
                self.waiting.remove(plan)
                self._finish(plan, f"its pre-training failed: {self.failed[source]}", bar)
            elif len(self.running) < self.workers and not self._is_pending(source):
                self.waiting.remove(plan)
                self._start(plan)

    def _is_pending(self, key: str | None) -> bool:
        return key in self.running or any(plan.key == key for plan in self.waiting)

    def _start(self, plan: RunPlan) -> None:
        (run_folder(self.results.folder, plan.key) / RECORD).unlink(missing_ok=True)  # of a failed attempt
        self.running.add(plan.key)
        LOGGER.info("started: %s", plan)
        self.launcher.start(plan)

    def _finish(self, plan: RunPlan, ending: str, bar: tqdm) -> None:
        """Record a run, whatever its outcome."""
        record = finished_run(self.results.folder, plan.key) or failed_record(plan, ending or "no result")
        self.results.add(record)
        bar.update()
        if record["status"] != FINISHED:
            self.failed[plan.key] = record["error"]
            LOGGER.info("failed: %s: %s", plan, record["error"])
            return
        metric = str(record["config"]["valid_metric"]).lower()
        score = f"valid {metric} {record['valid'][metric]:.4f}, " if metric in record["valid"] else ""
        LOGGER.info("finished: %s: %s%.1f s", plan, score, record["seconds"])

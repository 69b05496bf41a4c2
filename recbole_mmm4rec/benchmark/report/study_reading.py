"""Read a benchmark's folder: the runs that belong to the report, and what it shall show."""

from dataclasses import replace
from logging import getLogger
from pathlib import Path

from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.plan_reading import read_plan
from recbole_mmm4rec.benchmark.report.reading import read_runs
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.errors import UserError

RUNS = "runs.jsonl"


def read_study(folder: Path) -> Study:
    """Read a benchmark's folder.

    Raises:
        UserError: a file is missing or broken; names it.
    """
    plan, runs = read_plan(folder), read_runs(folder / RUNS)
    runs = _unambiguous(_newest(_belonging(runs, plan)))
    if not runs:
        raise UserError(f"{folder / RUNS}: holds none of the runs that the plan names")
    return Study(runs, plan, UserFiles(folder))


def _belonging(runs: list[Run], plan: ReportPlan) -> list[Run]:
    """The plan's runs, and those they start from."""
    if plan.keys:
        wanted = plan.keys | {run.pretrain_key for run in runs if run.key in plan.keys}
        runs = [run for run in runs if run.key in wanted]
    if plan.settings:
        runs = [run for run in runs if run.setting in plan.settings or run.stage == "pretrain"]
    return runs


def _newest(runs: list[Run]) -> list[Run]:
    """Of runs that differ by their configuration alone, the last: the setting has changed since."""
    last: dict[tuple[object, ...], Run] = {}
    for run in runs:
        own = run.key if run.stage == "pretrain" else run.full_modality
        place = (run.setting, run.model, run.dataset, run.seed, own)
        if place in last:
            getLogger().warning("%s: left out, %s has the same setting and seed", last[place].key, run.key)
        last[place] = run
    return list(last.values())


def _unambiguous(runs: list[Run]) -> list[Run]:
    """Runs whose label names their model too where several models share a label."""
    models: dict[str, set[str]] = {}
    for run in runs:
        models.setdefault(run.setting, set()).add(run.model)
    return [
        replace(run, setting=f"{run.model} {run.setting}") if len(models[run.setting]) > 1 else run
        for run in runs
    ]

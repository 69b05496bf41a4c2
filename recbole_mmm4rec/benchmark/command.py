"""``--benchmark`` and ``--report``: from flags to runs and a report."""

import logging
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from tqdm.contrib.logging import logging_redirect_tqdm

from recbole_mmm4rec.benchmark.expansion import Expansion
from recbole_mmm4rec.benchmark.launchers import make_launcher
from recbole_mmm4rec.benchmark.results import RUNS, Results
from recbole_mmm4rec.benchmark.run_plan import RunPlan, with_pretraining
from recbole_mmm4rec.benchmark.schedule import Schedule
from recbole_mmm4rec.benchmark.spec import Benchmark, find_benchmark, refuse_own
from recbole_mmm4rec.benchmark.tuned_values import Chosen, best_values
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import locked, write_text
from recbole_mmm4rec.host.flags import refuse_beside
from recbole_mmm4rec.host.property_files import as_properties, read_config_files

OUTPUT = "benchmark_results"
PLAN = "plan.yaml"
NOT_FOR_RUNS = {
    "model": "name the models in --benchmark",
    "nproc": "each run is one process; --workers=K does K runs at a time",
    "resume": "the same command continues where it stopped",
    "checkpoint_dir": "--output names the folder",
}
LOGGER = logging.getLogger("recbole_mmm4rec")


def benchmark_command(flags: dict[str, str]) -> int:
    """Do the runs of ``--benchmark`` and write the report; return 0, or 1 if a run failed.

    Args:
        flags: raw values by key; keys that are not flags of a benchmark go to every run.

    Raises:
        UserError: bad input, before the first run starts.
    """
    _log_to_console()
    left = dict(flags)
    wanted = _wanted(left)
    folder = Path(left.pop("output", f"{OUTPUT}/{wanted.name}")).resolve()
    workers, launcher = _count("workers", left.pop("workers", "1")), left.pop("launcher", "process")
    start = partial(make_launcher, launcher, folder, workers, left.pop("ray_address", None))
    keep = _switch("keep_results", left.pop("keep_results", "False"))
    refuse_beside("benchmark", left, NOT_FOR_RUNS)
    _take_files(wanted, left.pop("config_files", ""))
    expansion = Expansion(wanted, left, Results(folder).finished_tasks() if keep else {})
    trials, plans = expansion.trials(), expansion.plans()
    for line in expansion.skipped:
        LOGGER.warning(line)
    with locked(folder), logging_redirect_tqdm():
        results = Results(folder)
        _report_other_code(results, [*trials, *plans], keep)
        lost: set[tuple[str, str]] = set()
        if trials:
            describe(folder, wanted, trials)
            Schedule(trials, results, start(), workers).work()
            expansion.chosen = best_values(trials, results.rows)
            lost = _without_score(trials, expansion.chosen)
            plans = [plan for plan in expansion.plans() if (plan.setting, plan.dataset) not in lost]
        for line in expansion.twins:  # what was chosen decides which runs are the same
            LOGGER.warning(line)
        describe(folder, wanted, [*trials, *plans])
        failed = Schedule(plans, results, start(), workers, beside=trials).work()
    report_command(str(folder))
    return 1 if failed or lost else 0


def _wanted(left: dict[str, str]) -> Benchmark:
    """The benchmark that the flags name and narrow; takes those flags out of ``left``."""
    wanted = find_benchmark(left.pop("benchmark"))
    wanted = wanted.narrowed(_names(left.pop("dataset", "")), _seeds(left))
    return _with_budget(wanted, left.pop("max_evals", None))


def _take_files(wanted: Benchmark, files: str) -> None:
    """``--config_files``: values for every run."""
    shared = read_config_files(files.split())
    refuse_own(files, "the config file", shared)
    wanted.common.update(shared)


def report_command(folder: str) -> int:
    """Write the report of a folder of results, and print its path.

    Raises:
        UserError: no results in the folder.
    """
    place = Path(folder)
    if not (place / RUNS).is_file():
        raise UserError(f"--report: {place / RUNS} does not exist")
    page = import_module("recbole_mmm4rec.benchmark.report.writing").write_report(place)
    sys.stdout.write(f"report: {page}\n")
    return 0


def describe(folder: Path, wanted: Benchmark, plans: list[RunPlan]) -> None:
    """Write ``plan.yaml``: the runs and the choices for the report, which leaves out runs of older plans."""
    planned = {plan.setting for plan in plans}
    content = {
        "title": wanted.title,
        "datasets": list(dict.fromkeys(plan.dataset for plan in plans)),
        "settings": [name for name in dict.fromkeys(s.name for s in wanted.settings) if name in planned],
        "seeds": list(wanted.seeds),
        "keys": list(dict.fromkeys(plan.key for plan in plans)),
        "report": wanted.report,
    }
    write_text(folder / PLAN, as_properties(content))


def _report_other_code(results: Results, plans: list[RunPlan], keep: bool) -> None:
    """Say what becomes of results of another version of the package, of RecBole or of PyTorch."""
    number = len(results.of_other_code(with_pretraining(plans)))
    if number and keep:
        LOGGER.warning("%d finished runs are of other code or versions and are kept: --keep_results", number)
    elif number:
        LOGGER.warning(
            "%d finished runs are of other code or versions and run again; --keep_results=True keeps them",
            number,
        )


def _with_budget(wanted: Benchmark, text: str | None) -> Benchmark:
    """``--max_evals``: another largest number of trials for every setting."""
    if text is None:
        return wanted
    count = _count("max_evals", text)
    if wanted.tuning is None or count == 0:
        raise UserError("--max_evals expects a number above 0, and a benchmark with 'tune'")
    return replace(wanted, tuning=replace(wanted.tuning, max_evals=count))


def _without_score(trials: list[RunPlan], chosen: Chosen) -> set[tuple[str, str]]:
    """Settings and datasets that are left out because no trial of them has a score; says so."""
    lost = {(plan.setting, plan.dataset) for plan in trials} - chosen.keys()
    for setting, dataset in sorted(lost):
        LOGGER.warning("skipped: '%s' on %s: none of its trials has a score", setting, dataset)
    return lost


def _switch(flag: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise UserError(f"--{flag} expects True or False, got '{text}'")
    return text.lower() == "true"


def _log_to_console() -> None:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.strip("[] ").split(",") if name.strip()]


def _seeds(left: dict[str, str]) -> list[int]:
    """``--seeds=2020,2021``; ``--seed=2020`` adds one."""
    given = ",".join(filter(None, (left.pop("seeds", ""), left.pop("seed", ""))))
    return [_count("seeds", seed) for seed in _names(given)]


def _count(flag: str, text: str) -> int:
    if not text.isdigit():
        raise UserError(f"--{flag} expects whole numbers, got '{text}'")
    return int(text)

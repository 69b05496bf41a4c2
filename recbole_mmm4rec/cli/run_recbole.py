"""``run_recbole.py``: RecBole's flags to one call, nothing else."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from recbole_mmm4rec.cli.help import help_text, version_text
from recbole_mmm4rec.cluster.place import torchrun_place
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.guard import guarded
from recbole_mmm4rec.host.flags import TRUE, parse, refuse_beside, typed_values
from recbole_mmm4rec.host.host_warnings import ignore_host_warnings
from recbole_mmm4rec.waiting_threads import let_waiting_threads_sleep

DEFAULT_MODEL = "MMM4Rec"
DEFAULT_STEPS = 10
GROWTH, PRETRAINING, MILLION = "growth", "pretraining", "million"
POSITIONS, PEERS = "positions", "peers"
PROCESSES, RECOMMEND, SERVE = "processes", "recommend", "serve"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line after the program's name; ``sys.argv`` when None. ``--debug`` shows
            the traceback of an error.

    Returns:
        Exit code: 0 done, 1 a run of a benchmark failed, 2 bad input (one line on standard error), 130
        interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    let_waiting_threads_sleep()  # before anything imports torch
    ignore_host_warnings()
    return guarded(lambda: _run(parse([flag for flag in given if flag != "--debug"])), debug)


def _run(flags: dict[str, str]) -> int:
    for command in ("benchmark", "tune", "bench"):
        if command in flags and (place := torchrun_place()) and place.world_size > 1:
            raise UserError(f"--{command} and torchrun do not go together: it would be done by every process")
    if "version" in flags:
        sys.stdout.write(version_text())
    elif "help" in flags:
        sys.stdout.write(help_text(flags.get("model")))
    elif "benchmark" in flags:
        return _commands("benchmark").benchmark_command(flags)
    elif "report" in flags:
        return _report(flags)
    elif "tune" in flags:
        return _commands("tuning").tune_command(flags)
    else:
        _train(flags)
    return 0


def _report(flags: dict[str, str]) -> int:
    others = [key for key in flags if key != "report"]
    if others or flags["report"] == TRUE:
        given = f"; --{others[0]} does not go with it" if others else ""
        raise UserError(f"--report expects the folder of a benchmark{given}")
    return _commands("benchmark").report_command(flags["report"])


def _commands(package: str) -> Any:
    """The commands of a package that only they need."""
    _prepare()
    return import_module(f"recbole_mmm4rec.{package}.command")


def _prepare() -> None:
    """Make this process ready for runs, before anything else imports torch or RecBole."""
    # imported late: --help and --version need neither torch nor RecBole's trainers
    from recbole_mmm4rec.host.late_sklearn import import_recbole_metrics
    from recbole_mmm4rec.training.process import prepare_process

    prepare_process()
    import_recbole_metrics()


def _train(flags: dict[str, str]) -> None:
    _prepare()
    from recbole_mmm4rec.quick_start.launch import Launch
    from recbole_mmm4rec.quick_start.processes import run_in_processes

    bench, launch = flags.pop("bench", None), Launch.of_flags(flags)
    if bench is None:
        run_in_processes(launch, partial(_call, flags))
    elif launch.given():
        raise UserError("--nproc and --bench do not go together: a step of one process is measured")
    else:
        _measure(bench, flags)


def _measure(bench: str, flags: dict[str, str]) -> None:
    # imported late: a run draws no chart
    from recbole_mmm4rec.benchmark import (
        growth,
        million_items,
        peer_costs,
        position_costs,
        pretraining_costs,
        process_costs,
        recommend_costs,
        serve_costs,
        step_costs,
    )

    with_sizes: dict[str, Callable[[], str]] = {
        GROWTH: lambda: growth.table(growth.run()),
        PRETRAINING: pretraining_costs.run,
        PROCESSES: process_costs.run,
        MILLION: million_items.run,
        RECOMMEND: recommend_costs.run,
        SERVE: serve_costs.run,
    }
    if bench in with_sizes:
        refuse_beside(f"bench={bench}", flags, dict.fromkeys(flags, "it sets all sizes"))
        sys.stdout.write(with_sizes[bench]())
    elif bench in (POSITIONS, PEERS):
        if not flags.get("dataset"):
            raise UserError(f"--bench={bench} needs --dataset; it measures several models on it")
        if bench == POSITIONS:
            sys.stdout.write(position_costs.run(_call(flags)))
        else:
            python = flags.pop("peers_python", None)
            sys.stdout.write(peer_costs.run(_call(flags), python))
    else:
        call = _call(flags)
        step_costs.run(**call, steps=DEFAULT_STEPS if bench == TRUE else _whole_number("bench", bench))


def _call(given: dict[str, str]) -> dict[str, Any]:
    """Arguments of a run. Without a dataset and a file it is the small one of ``stage/quick.yaml``."""
    from recbole_mmm4rec.host.property_files import properties_path, read_config_files
    from recbole_mmm4rec.host.resumed import settings_to_resume

    flags = dict(given)
    model, dataset = flags.pop("model", None), flags.pop("dataset", None)
    files = flags.pop("config_files", "").split()
    resume = typed_values({"resume": flags.get("resume", "~")}, model, dataset)["resume"]
    if not files and dataset is None and not resume and (model or DEFAULT_MODEL) == DEFAULT_MODEL:
        files = [str(properties_path() / "stage" / "quick.yaml")]
    named = read_config_files(files)
    named = settings_to_resume(resume or named.get("resume"), {}) | named
    return {
        "model": model,
        "dataset": dataset,
        "config_file_list": files,
        "config_dict": typed_values(flags, model or named.get("model") or DEFAULT_MODEL, dataset),
        "origin": "command line",
    }


def _whole_number(flag: str, value: str) -> int:
    if not value.isdigit():
        raise UserError(f"--{flag} expects a whole number, got '{value}'")
    return int(value)

"""``--tune``: flags to a search and the best values that it found."""

import logging
import sys
from pathlib import Path
from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import locked
from recbole_mmm4rec.host.flags import TRUE, refuse_beside, typed_values
from recbole_mmm4rec.host.property_files import read_config_files
from recbole_mmm4rec.host.requirements import check_extra
from recbole_mmm4rec.quick_start.run_key import WEIGHT_KEYS
from recbole_mmm4rec.tuning.search import Search, Trials
from recbole_mmm4rec.tuning.space import Space, find_space
from recbole_mmm4rec.tuning.trial_store import TrialStore

OUTPUT, LOG = "tuning_results", "log.txt"
HYPEROPT, RAY = "hyperopt", "ray"
ALGORITHMS = {HYPEROPT: ("exhaustive", "random", "bayes"), RAY: ("asha", "random", "exhaustive")}
"""What each tool can do, its default first."""

NUMBERS = {"max_evals": int, "early_stop": int, "cpus_per_trial": float, "gpus_per_trial": float}
NUMBERS |= {"grace_period": int}
OF_ONE_TOOL = {"early_stop": HYPEROPT, "cpus_per_trial": RAY, "gpus_per_trial": RAY, "grace_period": RAY}
OF_ONE_TOOL["ray_address"] = RAY
NOT_FOR_TRIALS = {
    "nproc": "each trial is one process; --tool=ray runs several at a time",
    "resume": "the same command goes on where it stopped",
    "checkpoint_dir": "--output names the folder",
}
LOGGER = logging.getLogger("recbole_mmm4rec")


def tune_command(flags: dict[str, str]) -> int:
    """Do what ``--tune`` asks and say where the best values lie; return 0.

    Args:
        flags: raw values by key; what is not a flag of a search goes to every trial.

    Raises:
        UserError: bad input, before the first trial; or no trial gave a score.
    """
    left = dict(flags)
    tool, algorithm = _tool(left)
    _refuse_other_tools(left, tool)
    refuse_beside("tune", left, NOT_FOR_TRIALS)
    options = {key: _number(key, left.pop(key), kind) for key, kind in NUMBERS.items() if key in left}
    if "ray_address" in left:
        options["ray_address"] = left.pop("ray_address")
    search = _search(left)
    config = search.check()
    with locked(search.folder):
        _log_to(search.folder / LOG)
        bigger, metric = bool(config["valid_metric_bigger"]), str(config["valid_metric"])
        store = TrialStore(search, bigger, metric, stops_early=algorithm == "asha")
        LOGGER.info("%s: %s, %s; %d trials known", search.folder, tool, algorithm, len(store.rows))
        _run(tool, algorithm, Trials(search), store, options, int(config["seed"]))
    best = store.best()
    assert best is not None
    LOGGER.info("best %s on validation: %.4f with %s", store.metric, best["score"], best["params"])
    sys.stdout.write(f"run it with: --config_files={store.best_file}\n")
    return 0


def _tool(left: dict[str, str]) -> tuple[str, str]:
    algorithm = left.pop("algo", None)
    tool = left.pop("tool", RAY if algorithm == "asha" else HYPEROPT)
    if tool not in ALGORITHMS:
        raise UserError(f"--tool: '{tool}' is not one of {', '.join(ALGORITHMS)}")
    if algorithm is not None and algorithm not in ALGORITHMS[tool]:
        raise UserError(f"--algo: {tool} has {', '.join(ALGORITHMS[tool])}, not '{algorithm}'")
    check_extra(tool, f"--tool={tool}")
    return tool, algorithm or ALGORITHMS[tool][0]


def _refuse_other_tools(left: dict[str, str], tool: str) -> None:
    for key in left:
        if OF_ONE_TOOL.get(key, tool) != tool:
            raise UserError(f"--{key}: {tool} has no such flag, --tool={OF_ONE_TOOL[key]} has")


def _search(left: dict[str, str]) -> Search:
    """The search that the remaining flags describe."""
    wanted, model = left.pop("tune"), left.pop("model", None)
    dataset, output = left.pop("dataset", None), left.pop("output", None)
    given = read_config_files(left.pop("config_files", "").split())
    own = given.pop("model", None), given.pop("dataset", None)
    model = model or own[0] or (Path(wanted).stem if wanted != TRUE else None)
    dataset = dataset or own[1] or "ml-100k"
    if model is None:
        raise UserError("--tune: name a .hyper file or a model")
    values = {**given, **typed_values(left, model, dataset)}
    space = _space(model if wanted == TRUE else wanted, values)
    # each trial works in its own folder
    values |= {key: str(Path(values[key]).resolve()) for key in WEIGHT_KEYS if values.get(key)}
    folder = Path(output or f"{OUTPUT}/{model}-{dataset}").resolve()
    data_path = Path(str(values.get("data_path") or "atomic_data")).resolve()
    return Search(model, dataset, space, values, folder, data_path)


def _space(wanted: str, shared: dict[str, Any]) -> Space:
    """The values to try, of keys that are not the same for all trials."""
    path, space = find_space(wanted)
    for key in space:
        if key in {"model", "dataset", *NOT_FOR_TRIALS}:
            raise UserError(f"{path}: '{key}' is the same for all trials of a search")
        if key in shared:
            raise UserError(f"--{key}: is searched over and given at the same time")
    return space


def _run(
    tool: str, algorithm: str, trials: Trials, store: TrialStore, options: dict[str, Any], seed: int
) -> None:
    # imported late: each tool takes seconds to load
    if tool == HYPEROPT:
        from recbole_mmm4rec.tuning.hyperopt_search import search_with_hyperopt

        limits = options.get("max_evals"), options.get("early_stop")
        search_with_hyperopt(trials, store, algorithm, *limits, seed)
        return
    from recbole_mmm4rec.tuning.ray_search import Resources, search_with_ray

    names = {"cpus_per_trial": "cpus", "gpus_per_trial": "gpus", "grace_period": "grace_period"}
    resources = Resources(**{name: options[flag] for flag, name in names.items() if flag in options})
    address = options.get("ray_address")
    search_with_ray(trials, store, algorithm, options.get("max_evals"), seed, resources, address)


def _number(flag: str, text: str, kind: type) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if value < 0 or (kind is int and value == 0):
        raise UserError(f"--{flag} expects a number, got '{text}'")
    return value


def _log_to(path: Path) -> None:
    """One line per trial, on the console and in a file; without the trainers' messages."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for earlier in [h for h in LOGGER.handlers if isinstance(h, logging.FileHandler)]:
        LOGGER.removeHandler(earlier)
        earlier.close()
    LOGGER.addHandler(handler)

"""One run of a benchmark in this process: an epoch is chosen by validation, tested and recorded."""

import logging
import os
import shutil
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

from recbole.utils import init_seed
from recbole.utils.logger import RemoveColorFilter

from recbole_mmm4rec.benchmark.clock import peak_memory
from recbole_mmm4rec.benchmark.record import FINISHED, failed_record, finished_record
from recbole_mmm4rec.benchmark.results import LOG, RECORD, USERS, WEIGHTS, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.user_rows import user_rows, write_rows
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import working_in, write_json
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.seen_items import ranking_rule
from recbole_mmm4rec.quick_start.run_key import WEIGHT_KEYS
from recbole_mmm4rec.quick_start.training_run import select_or_continue
from recbole_mmm4rec.quick_start.whole_run import check_topk

CHECKPOINTS, TENSORBOARD = "saved", "log_tensorboard"


def do_run(plan: RunPlan, folder: Path, paths: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Do a run and write ``runs/<key>/record.json``; a run whose process was killed is continued.

    Args:
        plan: the run; if it starts from a pre-training, the weights are already in the folder.
        folder: the benchmark's folder, absolute.
        paths: keys of the plan whose files lie elsewhere on this machine, and where.

    Returns:
        The record; a failed run has the status ``failed`` and a line with the reason.
    """
    place = run_folder(folder, plan.key)
    here = Path.cwd()
    with working_in(place), _logging_to(place / LOG):
        try:
            record = _train_and_test(plan, folder, here, paths or {})
        except Exception as error:  # whatever a model raises, the other runs continue
            logging.getLogger().error(traceback.format_exc())
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            record = failed_record(plan, f"{kind}{error}")
        write_json(place / RECORD, record)
        if record["status"] == FINISHED:  # a finished run keeps no checkpoint
            for leftover in (CHECKPOINTS, TENSORBOARD):
                shutil.rmtree(leftover, ignore_errors=True)
    return record


def _train_and_test(plan: RunPlan, folder: Path, here: Path, paths: Mapping[str, str]) -> dict[str, Any]:
    started = time()
    config = _configuration(plan, folder, here, paths)
    logging.getLogger().info(config)
    train_data, valid_data, test_data = _load(config)
    selection = select_or_continue(config, train_data, valid_data)
    # the only use of the test data, after everything is chosen
    test = selection.trainer.evaluate(test_data) if plan.trial is None else None
    ranks, ties = (getattr(selection.trainer, name, None) for name in ("last_ranks", "last_ties"))
    peak = peak_memory(selection.trainer.device)
    record = finished_record(plan, selection, test, time() - started, peak)
    if test and ranks is not None and ties is not None:
        write_rows(Path(USERS), user_rows(config, train_data, test_data, ranks, ties))
        record["users"] = f"runs/{plan.key}/{USERS}"
    if plan.stage == "pretrain":
        os.replace(selection.trainer.saved_model_file, WEIGHTS)
    logging.getLogger().info(f"valid {record['valid']} test {record['test']}")
    logging.getLogger().info(f"ranking: {ranking_rule(config.final_config_dict)}")
    return record


def _configuration(plan: RunPlan, folder: Path, here: Path, paths: Mapping[str, str]) -> RunConfig:
    """The planned configuration with absolute paths, because this process works in the run's folder."""
    values = {"show_progress": False} | plan.values
    values |= {"checkpoint_dir": CHECKPOINTS, "data_path": str(here / plan.config["data_path"])}
    values |= {key: str(here / values[key]) for key in WEIGHT_KEYS if values.get(key)}
    if plan.pretrain:
        values["pretrained"] = str(run_folder(folder, plan.pretrain.key) / WEIGHTS)
    values |= paths
    return RunConfig(plan.model, plan.dataset, config_dict=values, origin=f"setting '{plan.setting}'")


def _load(config: RunConfig) -> tuple[Any, ...]:
    init_seed(config["seed"], config["reproducibility"])
    data = create_dataset(config)
    logging.getLogger().info(data)
    check_topk(config, data)
    return prepare_loaders(config, data)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Append every message of this process to the run's log file."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.addFilter(RemoveColorFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)

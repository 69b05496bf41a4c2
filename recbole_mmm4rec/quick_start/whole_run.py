"""The whole run on one screen: configuration, data, model, training, result."""

import shlex
from collections import OrderedDict
from collections.abc import Mapping
from logging import getLogger
from pathlib import Path
from time import time
from typing import Any

from recbole.utils import ModelType, init_seed, set_color

from recbole_mmm4rec.cluster.group import group, joined
from recbole_mmm4rec.cluster.place import torchrun_place
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.run_logging import run_logging
from recbole_mmm4rec.host.seen_items import ranking_rule
from recbole_mmm4rec.quick_start.same_run import check_same_run
from recbole_mmm4rec.quick_start.training_run import best_epoch, select
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import using


def run(
    model: str | None = None,
    dataset: str | None = None,
    config_file_list: list[str] | None = None,
    config_dict: dict[str, Any] | None = None,
    saved: bool = True,
    origin: str = "config_dict",
) -> dict[str, Any]:
    """Train and evaluate a model, ours or RecBole's, by the same data, splits and metrics.

    Processes that torchrun started do one run together. The run's log goes to the console and to a file under
    ``log/``; loggers, handlers, warning filters and the working folder of the program that calls this are
    afterwards what they were before.

    Args:
        model: model name (default ``MMM4Rec``).
        dataset: dataset name (default ``ml-100k``).
        config_file_list: YAML files, the last one wins.
        config_dict: values that win over the files.
        saved: keep the best model on disk and test that one; otherwise test the last one.
        origin: how error messages call ``config_dict``.

    Returns:
        RecBole's result (``best_valid_score``, ``valid_score_bigger``, ``best_valid_result``,
        ``test_result``) and ``epochs``, ``best_epoch``, ``seconds`` and ``checkpoint``.

    Raises:
        UserError: bad input, in one line.
    """
    with joined(torchrun_place()):  # unless the command line has
        config = RunConfig(model, dataset, config_file_list, config_dict, origin)
        Path(config["checkpoint_dir"]).mkdir(parents=True, exist_ok=True)  # fails now, not after an epoch
        init_seed(config["seed"], config["reproducibility"])
        with run_logging(config) as logger:
            logger.info(config)
            result = _train_and_test(config, saved)
            _report(result, config)
        return result


def _train_and_test(config: Any, saved: bool) -> dict[str, Any]:
    started = time()
    _check_pretrained(config)
    with using(config["resume"], "settings"):
        data = create_dataset(config)
        getLogger().info(data)
        check_topk(config, data)
        check_same_run(config)
        train_data, valid_data, test_data = prepare_loaders(config, data)

    chosen = select(config, train_data, valid_data, saved)
    trainer = chosen.trainer
    test = trainer.evaluate(test_data, load_best_model=saved, show_progress=config["show_progress"])

    return {
        "best_valid_score": float(chosen.score),
        "valid_score_bigger": config["valid_metric_bigger"],
        "best_valid_result": _plain(chosen.valid),
        "test_result": _plain(test),
        "epochs": len(getattr(trainer, "train_loss_dict", ())),
        "best_epoch": best_epoch(chosen, config["valid_metric_bigger"]),
        "seconds": round(time() - started, 3),
        "checkpoint": trainer.saved_model_file if saved else None,
    }


def _check_pretrained(config: Any) -> None:
    """Refuse what is not a checkpoint before data are read; of several processes one may have it alone."""
    if config["pretrained"] and group() is None:
        read_checkpoint(config["pretrained"], mapped=True)


def _plain(metrics: Mapping[str, Any] | None) -> OrderedDict[str, float] | None:
    """Metrics as Python's numbers, which numpy 2 shows as such."""
    return None if metrics is None else OrderedDict((name, float(value)) for name, value in metrics.items())


def check_topk(config: Any, data: Any) -> None:
    """Refuse cut-offs beyond the number of items, at which RecBole's ranking fails."""
    items = data.item_num - 1  # without the pad
    if max(config["topk"]) > items:
        raise UserError(
            f"topk: {max(config['topk'])} exceeds the {items} items of '{config['dataset']}'; "
            f"for example --topk=[{min(5, items)}] --valid_metric=NDCG@{min(5, items)}"
        )


def _report(result: dict[str, Any], config: Any) -> None:
    """RecBole's closing lines, what was ranked, where the checkpoint lies; a missing result is explained."""
    logger = getLogger()
    expected = config["hold_out"] or (config["hold_out"] is None and config["stage"] != "pretrain")
    for title, name in (("best valid ", "best_valid_result"), ("test result", "test_result")):
        if result[name] is not None:
            logger.info(set_color(title, "yellow") + f": {result[name]}")
        elif not expected:
            logger.info(set_color(title, "yellow") + ": none, this stage trains on all interactions")
        else:
            logger.warning(f"{title.strip()}: none, {_reason(config, name)}")
    logger.info(set_color("ranking", "yellow") + f": {ranking_rule(config.final_config_dict)}")
    facts = f"{result['epochs']} epochs, best epoch {result['best_epoch']} (from 0), {result['seconds']} s"
    logger.info(set_color("run", "yellow") + f": {facts}")
    here = "" if distributed.rank() == 0 else " on the host of process 0"
    logger.info(set_color("checkpoint", "yellow") + f": {result['checkpoint'] or 'not saved'}{here}")
    if result["checkpoint"] and config["MODEL_TYPE"] == ModelType.SEQUENTIAL and not here:
        logger.info(set_color("recommend", "yellow") + f": {how_to_recommend(result['checkpoint'])}")


def how_to_recommend(checkpoint: str) -> str:
    """The command that recommends with a checkpoint; why there is none, where it cannot."""
    from recbole_mmm4rec.recommend.loading import check_recommendable

    try:
        check_recommendable(checkpoint)
    except UserError as error:
        return f"not with this checkpoint: {str(error).removeprefix(f'{checkpoint}: ')}"
    return f"recbole-mmm4rec recommend {shlex.quote(checkpoint)} --users=histories.csv --output=lists.csv"


def _reason(config: Any, name: str) -> str:
    """Why a run that holds interactions out has no result of one of its sets."""
    if name == "best_valid_result" and not config["eval_step"] > 0:
        return "eval_step is 0"
    if config["stage"] == "pretrain":
        return "scores mean nothing in this model's pre-training"
    return f"no user of '{config['dataset']}' has enough interactions for one; the split left the set empty"

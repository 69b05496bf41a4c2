"""The whole run on one screen: configuration, data, model, training, result."""

import inspect
from logging import getLogger
from time import time
from typing import Any

import torch
import torch.distributed as dist
from recbole import data as recbole_data
from recbole.utils import get_flops, get_trainer, init_seed, set_color

from recbole_mmm4rec.config import RunConfig
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.host.dataset_choice import create_dataset
from recbole_mmm4rec.host.run_logging import start_logger
from recbole_mmm4rec.transfer import load_pretrained


def run(
    model: str | None = None,
    dataset: str | None = None,
    config_file_list: list[str] | None = None,
    config_dict: dict[str, Any] | None = None,
    saved: bool = True,
    origin: str = "config_dict",
) -> dict[str, Any]:
    """Train and evaluate a model, ours or RecBole's, by the same data, splits and metrics.

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
    started = time()
    config = RunConfig(model, dataset, config_file_list, config_dict, origin)
    init_seed(config["seed"], config["reproducibility"])
    logger = start_logger(config)
    logger.info(config)

    data = create_dataset(config)
    logger.info(data)
    check_topk(config, data)
    train_data, valid_data, test_data = recbole_data.data_preparation(config, data)

    network = build_model(config, train_data._dataset)
    logger.info(network)
    trainer = build_trainer(config, network)

    epochs: list[tuple[int, float]] = []
    progress = {"saved": saved, "show_progress": config["show_progress"]}
    best_score, best_valid = trainer.fit(train_data, valid_data, **progress, **_callback(trainer, epochs))
    test = trainer.evaluate(test_data, load_best_model=saved, show_progress=config["show_progress"])

    result = {
        "best_valid_score": best_score,
        "valid_score_bigger": config["valid_metric_bigger"],
        "best_valid_result": best_valid,
        "test_result": test,
        **_run_facts(trainer, epochs, config["valid_metric_bigger"]),
        "seconds": round(time() - started, 1),
        "checkpoint": trainer.saved_model_file if saved else None,
    }
    _report(result)
    return result


def check_topk(config: Any, data: Any) -> None:
    """Refuse cut-offs beyond the number of items, at which RecBole's ranking fails."""
    items = data.item_num - 1  # without the pad
    if max(config["topk"]) > items:
        raise UserError(f"topk: {max(config['topk'])} exceeds the {items} items of '{config['dataset']}'")


def build_model(config: Any, dataset: Any) -> Any:
    """A model on its device, with pre-trained weights if ``pretrained`` names a checkpoint.

    Raises:
        UserError: values that the model refuses, or a checkpoint that does not fit.
    """
    init_seed(config["seed"], config["reproducibility"])
    try:
        model = find_model(config["model"])(config, dataset).to(config["device"])
    except ValueError as error:  # how models refuse sizes that do not go together
        raise UserError(f"{config['model']}: {error}") from error
    if config["pretrained"]:
        load_pretrained(model, config["pretrained"], dataset, bool(config["load_item_tables"]))
    if config["flops"]:
        transform = recbole_data.transform.construct_transform(config)
        flops = get_flops(model, dataset, config["device"], getLogger(), transform)
        getLogger().info(set_color("FLOPs", "blue") + f": {flops}")
    if config["local_rank"]:  # equal weights, but other dropout in each process
        torch.manual_seed(config["seed"] + config["local_rank"])
    return model


def build_trainer(config: Any, model: Any) -> Any:
    """The model's trainer, continued from ``resume`` if that names a checkpoint."""
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    if config["resume"]:
        trainer.resume_checkpoint(config["resume"])
    if not config["single_spec"]:
        name = [trainer.saved_model_file]  # holds the time, which processes may see differently
        dist.broadcast_object_list(name, src=0)
        trainer.saved_model_file = name[0]
    return trainer


def _callback(trainer: Any, epochs: list[tuple[int, float]]) -> dict[str, Any]:
    """Argument of ``fit`` that notes (epoch, validation score); some trainers of RecBole have none."""
    if "callback_fn" not in inspect.signature(trainer.fit).parameters:
        return {}
    return {"callback_fn": lambda epoch, score: epochs.append((epoch, float(score)))}


def _run_facts(trainer: Any, epochs: list[tuple[int, float]], bigger: bool) -> dict[str, Any]:
    """Number of epochs run and the best one, counted from 0 as in RecBole's log; the later of equal ones."""
    best = max(epochs, key=lambda pair: (pair[1] if bigger else -pair[1], pair[0])) if epochs else (None,)
    return {"epochs": len(getattr(trainer, "train_loss_dict", ())), "best_epoch": best[0]}


def _report(result: dict[str, Any]) -> None:
    """RecBole's closing lines, and where the checkpoint lies."""
    logger = getLogger()
    logger.info(set_color("best valid ", "yellow") + f": {result['best_valid_result']}")
    logger.info(set_color("test result", "yellow") + f": {result['test_result']}")
    facts = f"{result['epochs']} epochs, best epoch {result['best_epoch']}, {result['seconds']} s"
    logger.info(set_color("run", "yellow") + f": {facts}")
    logger.info(set_color("checkpoint", "yellow") + f": {result['checkpoint'] or 'not saved'}")

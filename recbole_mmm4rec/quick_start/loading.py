"""A trained model and its data from a checkpoint file."""

import pickle
from logging import getLogger
from typing import Any

import torch
from recbole.config import Config
from recbole.data import data_preparation
from recbole.utils import init_seed

from recbole_mmm4rec.config import restore_config
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.host.dataset_choice import create_dataset
from recbole_mmm4rec.host.run_logging import run_logging
from recbole_mmm4rec.training.checkpoint import FORMAT, read_checkpoint


def load_data_and_model(model_file: str) -> tuple[Any, ...]:
    """RecBole's ``load_data_and_model`` for checkpoints of our models, and of built-in ones.

    Returns:
        config, model, dataset, train_data, valid_data, test_data.

    Raises:
        UserError: no such file, or no checkpoint of a whole run.
    """
    config, state = read_run(model_file)
    init_seed(config["seed"], config["reproducibility"])
    with run_logging(config) as logger:
        logger.info(config)
        dataset = create_dataset(config)
        logger.info(dataset)
        loaders = data_preparation(config, dataset)
        init_seed(config["seed"], config["reproducibility"])
        model = find_model(config["model"])(config, loaders[0]._dataset).to(config["device"])
    model.load_state_dict(state["state_dict"])
    model.load_other_parameter(state.get("other_parameter"))
    return config, model, dataset, *loaders


def read_run(model_file: str) -> tuple[Config, dict[str, Any]]:
    """Configuration and content of a checkpoint: ours, a built-in model's, or an old pickle of RecBole's."""
    state = _read(model_file)
    if isinstance(state, dict) and state.get("format") == FORMAT:
        checkpoint = read_checkpoint(model_file)
        return restore_config(checkpoint.config), {"state_dict": checkpoint.state_dict}
    if not isinstance(state, dict) or "state_dict" not in state or "config" not in state:
        raise UserError(f"{model_file}: not a checkpoint of a run (it holds no config and state_dict)")
    config = state["config"]
    return (restore_config(config) if isinstance(config, dict) else config), state


def _read(model_file: str) -> Any:
    try:
        return torch.load(model_file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{model_file}: no such checkpoint file") from None
    except pickle.UnpicklingError:
        return _unpickle(model_file)
    except Exception as error:  # the reader of a file that is none fails in many ways
        raise UserError(f"{model_file}: not a checkpoint, or a damaged one") from error


def _unpickle(model_file: str) -> Any:
    """Checkpoints of a plain RecBole hold pickled objects; the user named this file, so it is trusted."""
    getLogger().warning(f"{model_file} is a pickle: loading it can run any code it holds; trust its source")
    try:
        return torch.load(model_file, map_location="cpu", weights_only=False)
    except Exception as error:
        raise UserError(f"{model_file}: not a checkpoint, or a damaged one") from error

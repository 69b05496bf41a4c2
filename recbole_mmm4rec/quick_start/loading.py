"""A trained model and its data from a checkpoint file."""

import pickle
from typing import Any

import torch
from recbole.config import Config
from recbole.utils import init_seed

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import restore_config
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.run_logging import run_logging
from recbole_mmm4rec.host.trainers import load_other_parameter
from recbole_mmm4rec.training.checkpoint import FORMAT, read_checkpoint


def load_data_and_model(model_file: str, allow_pickle: bool = False) -> tuple[Any, ...]:
    """RecBole's ``load_data_and_model`` for checkpoints of our models, and of built-in ones.

    Args:
        model_file: the checkpoint.
        allow_pickle: also read a checkpoint of a plain RecBole, a pickle, which can run any code it holds.

    Returns:
        config, model, dataset, train_data, valid_data, test_data.

    Raises:
        UserError: no such file, not a checkpoint of a whole run, or a pickle.
    """
    config, state = read_run(model_file, allow_pickle)
    init_seed(config["seed"], config["reproducibility"])
    with run_logging(config) as logger:
        logger.info(config)
        dataset = create_dataset(config)
        logger.info(dataset)
        loaders = prepare_loaders(config, dataset)
        init_seed(config["seed"], config["reproducibility"])
        model = config.model_class(config, loaders[0]._dataset).to(config["device"])
    model.load_state_dict(state["state_dict"])
    load_other_parameter(model, state.get("other_parameter"))
    return config, model, dataset, *loaders


def read_run(model_file: str, allow_pickle: bool = False) -> tuple[Config, dict[str, Any]]:
    """Configuration and content of a checkpoint: ours, a built-in model's, or an old pickle of RecBole's."""
    state = _read(model_file, allow_pickle)
    if isinstance(state, dict) and state.get("format") == FORMAT:
        checkpoint = read_checkpoint(model_file)
        return restore_config(checkpoint.config), {"state_dict": checkpoint.state_dict}
    if not isinstance(state, dict) or "state_dict" not in state or "config" not in state:
        raise UserError(f"{model_file}: not a checkpoint of a run (it holds no config and state_dict)")
    config = state["config"]
    return (restore_config(config) if isinstance(config, dict) else config), state


def _read(model_file: str, allow_pickle: bool) -> Any:
    try:
        return torch.load(model_file, map_location="cpu", weights_only=not allow_pickle)
    except FileNotFoundError:
        raise UserError(f"{model_file}: no such checkpoint file") from None
    except pickle.UnpicklingError as error:
        if allow_pickle or not _is_pickle(model_file):
            raise UserError(f"{model_file}: not a checkpoint, or a damaged one") from error
        raise UserError(
            f"{model_file} is a pickle, and loading one can run any code it holds; "
            "load it with allow_pickle=True if you trust its source"
        ) from None
    except Exception as error:  # the reader of a file that is not a checkpoint fails in many ways
        raise UserError(f"{model_file}: not a checkpoint, or a damaged one") from error


def _is_pickle(model_file: str) -> bool:
    """Whether a file begins as torch's archives or plain pickles do."""
    with open(model_file, "rb") as stream:
        return stream.read(2) in (b"PK", *(b"\x80" + bytes([protocol]) for protocol in range(2, 6)))

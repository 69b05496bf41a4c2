"""A trained model and its data from a checkpoint file."""

import pickle
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from recbole.config import Config
from recbole.utils import init_seed

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import restore_config
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.run_logging import run_logging
from recbole_mmm4rec.host.trainers import load_other_parameter
from recbole_mmm4rec.schema import checked
from recbole_mmm4rec.training.checkpoint import FORMAT, compare_sums, read_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import Parts, load_weights, using
from recbole_mmm4rec.training.row_tokens import check_rows, known_tokens

TRAIN_AGAIN = "restore the files that the model was trained on, or train again"
FINE_TUNE = f"{TRAIN_AGAIN} with --pretrained=<this checkpoint> --load_item_tables=True"


def load_data_and_model(
    model_file: str, allow_pickle: bool = False, data_path: str | None = None
) -> tuple[Any, ...]:
    """RecBole's ``load_data_and_model`` for checkpoints of our models, and of built-in ones.

    Items, users and other tokens get the row numbers that they had when the model was trained, whatever the
    order of the files' rows now.

    Args:
        model_file: the checkpoint.
        allow_pickle: also read a checkpoint of a plain RecBole, a pickle, which can run any code it holds.
        data_path: folder of the datasets; by default the run's own where it lay in its working folder, else
            ``atomic_data``.

    Returns:
        config, model, dataset, train_data, valid_data, test_data.

    Raises:
        UserError: no such file, not a checkpoint of a whole run, or a pickle; or the dataset has other items,
            users or other tokens than the model was trained on.
    """
    config, state = read_run(model_file, allow_pickle, data_path)
    known = known_tokens(state, config["ITEM_ID_FIELD"])
    config.known_tokens = known
    with run_logging(config) as logger, using(model_file, "settings"):
        init_seed(config["seed"], config["reproducibility"])
        logger.info(config)
        dataset = create_dataset(config)
        logger.info(dataset)
        _check_rows(model_file, known, dataset, getattr(config.model_class, "says_item_bound", False))
        loaders = prepare_loaders(config, dataset)
        init_seed(config["seed"], config["reproducibility"])
        model = config.model_class(config, loaders[0]._dataset).to(config["device"])
    load_weights(model_file, model, state["state_dict"])
    with using(model_file, "other parameters"):
        load_other_parameter(model, state.get("other_parameter"))
    return config, model, dataset, *loaders


def _check_rows(model_file: str, known: dict[str, list[str]], dataset: Any, can_move: bool) -> None:
    if not known:
        getLogger().warning(
            f"{model_file} does not say which items its rows belong to; "
            "if the dataset's files have changed since the training, the results are wrong"
        )
    check_rows(model_file, known, dataset, FINE_TUNE if can_move else TRAIN_AGAIN)


def read_run(
    model_file: str, allow_pickle: bool = False, data_path: str | None = None
) -> tuple[Config, dict[str, Any]]:
    """Configuration and content of a checkpoint: ours, a built-in model's, or an old pickle of RecBole's."""
    state = _read(model_file, allow_pickle)
    if isinstance(state, dict) and state.get("format") == FORMAT:
        checkpoint = read_checkpoint(model_file)
        return _restored(model_file, checkpoint.config, data_path), vars(checkpoint)
    if not isinstance(state, dict) or "state_dict" not in state or "config" not in state:
        raise UserError(f"{model_file}: not a checkpoint of a run (it holds no config and state_dict)")
    checked(Parts, f"{model_file}: damaged checkpoint", state)
    config = state["config"]
    if isinstance(config, Config):
        return config, state
    return _restored(model_file, config, data_path), state


def _restored(model_file: str, settings: Any, data_path: str | None) -> Config:
    if not isinstance(settings, dict):
        raise UserError(f"{model_file}: damaged checkpoint, its config is not a dictionary")
    with using(model_file, "settings"):
        try:
            return restore_config(settings, data_path)
        except UserError as error:
            raise UserError(f"{model_file}: {error}") from error


def _read(model_file: str, allow_pickle: bool) -> Any:
    compare_sums(Path(model_file))
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

"""Datasets and loaders of a run: where the files lie, which class reads them, how they are split.

RecBole's ``create_dataset`` and ``data_preparation`` unpickle any file of a certain name found in the
checkpoint folder, and a pickle can run any code. Here a saved dataset is read only where
``dataset_save_path`` or ``dataloaders_save_path`` names it and ``allow_pickle`` is set.
"""

import os
import pickle
from logging import getLogger
from pathlib import Path
from typing import Any

import yaml
from recbole import data as recbole_data
from recbole.data import dataset as recbole_datasets
from recbole.utils import ModelType

from recbole_mmm4rec.cluster.one_per_host import one_per_host
from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.data.validation import existing_datasets
from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.host.catalogue import near
from recbole_mmm4rec.host.chunk_loader import ChunkLoader
from recbole_mmm4rec.host.exact_order import exactly_ordered
from recbole_mmm4rec.host.header_checks import check_headers
from recbole_mmm4rec.host.property_files import recbole_properties_path
from recbole_mmm4rec.host.seen_items import follow_rank_seen
from recbole_mmm4rec.host.shared_loader import SharedLoader
from recbole_mmm4rec.model.positions import ALL
from recbole_mmm4rec.prepare import SHIPPED, ensure_dataset
from recbole_mmm4rec.training.random_state import capture_random_state, restore_random_state

BY_TYPE = {ModelType.KNOWLEDGE: "KnowledgeBasedDataset"}


def check_dataset(data_path: str, name: str) -> None:
    """Refuse a dataset that is not there and cannot be made on the spot; nothing is written.

    Args:
        data_path: folder that holds one folder per dataset.
        name: the dataset.

    Raises:
        UserError: no such dataset; the message names those that exist and those that can be made.
    """
    if name not in SHIPPED and not _has_interactions(Path(data_path, name), name):
        raise UserError(f"no dataset '{name}' in '{data_path}': {_choices(data_path, name)}")


def _has_interactions(folder: Path, name: str) -> bool:
    return any(folder.glob(f"{name}.*inter"))


def _choices(data_path: str, name: str) -> str:
    existing = existing_datasets(data_path)
    makeable = [known for known in SHIPPED if known not in existing]
    there = f"there is {', '.join(existing)}" if existing else "the folder holds none"
    made = f"; made on demand: {', '.join(makeable)}" if makeable else ""
    return f"{there}{made}{near(name, [*existing, *makeable])}{_download_hint(name)}"


def _download_hint(name: str) -> str:
    listed = yaml.safe_load((recbole_properties_path() / "dataset" / "url.yaml").read_text())
    return f"; RecBole lists a download: {listed[name]}" if name in listed else ""


def make_dataset(config: Any) -> None:
    """Make the files of a run's dataset where it is one of ours and absent.

    Args:
        config: the run's configuration; its ``data_path`` is the dataset's folder.
    """
    folder, name = Path(config["data_path"]), config["dataset"]
    if not _has_interactions(folder, name):
        ensure_dataset(name, folder.parent)


def create_dataset(config: Any) -> Any:
    """The dataset of a run: ours for every sequential model, RecBole's in exact order for the others.

    Of the processes on a host the first makes it, and all use the same memory: features are there once.

    Raises:
        UserError: a file that the model needs is missing, or does not say what it must.
    """
    dataset, state = one_per_host(lambda: (_created(config), capture_random_state()), {"config": config})
    restore_random_state(state)
    return dataset


def _created(config: Any) -> Any:
    make_dataset(config)
    saved = config["dataset_save_path"]
    if saved:
        _check_pickle("dataset_save_path", saved, config)
        return _created_by_recbole(config)
    dataset = _built(config)
    if config["save_dataset"]:
        dataset.save()
    return dataset


def _built(config: Any) -> Any:
    kind = dataset_class(config["model"], config["MODEL_TYPE"])
    check_headers(config)
    try:
        return kind(config)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{config['model']} on '{config['dataset']}': {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        # how RecBole meets keys that do not fit the data
        raise UserError(
            f"{config['model']} on '{config['dataset']}': cannot be read with these settings "
            f"({type(error).__name__}: {in_one_line(error)})"
        ) from error


def dataset_class(model: str, model_type: ModelType) -> type:
    """The class that serves a model; some of RecBole's sequential models have their own."""
    own = vars(recbole_datasets).get(f"{model}Dataset")
    if own is None and model_type == ModelType.SEQUENTIAL:
        return MultiModalDataset
    return exactly_ordered(own or getattr(recbole_datasets, BY_TYPE.get(model_type, "Dataset")))


def _created_by_recbole(config: Any) -> Any:
    """The saved dataset where its settings are those of the run, else a new one."""
    with open(config["dataset_save_path"], "rb") as stream:
        try:
            saved = pickle.load(stream)
        except Exception as error:  # a damaged pickle fails in many ways
            raise UserError(
                f"dataset_save_path: {config['dataset_save_path']} cannot be read: {error}"
            ) from error
    compared = [*recbole_data.utils.dataset_arguments, "seed", "repeatable"]
    if all(config[key] == saved.config[key] for key in compared):
        getLogger().info(f"Load filtered dataset from: [{config['dataset_save_path']}]")
        return saved
    return _built(config)


def prepare_loaders(config: Any, dataset: Any) -> tuple[Any, Any, Any]:
    """RecBole's ``data_preparation``: the training, validation and test loader of a run.

    Raises:
        UserError: ``dataloaders_save_path`` names a pickle and ``allow_pickle`` is not set.
    """
    train, *held_out = _loaders(config, dataset)
    for loader in held_out:
        follow_rank_seen(loader)
    return training_loader(config, train), *held_out


def training_loader(config: Any, loader: Any) -> Any:
    """The loader that the keys of a run ask for: this one of RecBole's, or one in its place."""
    wanted = type(loader)
    if config["positions"] == ALL:
        wanted = ChunkLoader
    elif isinstance(loader, recbole_data.dataloader.TrainDataLoader):
        shared = not config["single_spec"] and config["MODEL_TYPE"] == ModelType.SEQUENTIAL
        wanted = SharedLoader if shared else recbole_data.dataloader.TrainDataLoader
    if type(loader) is wanted:
        return loader
    return wanted(config, loader._dataset, loader._sampler, shuffle=config["shuffle"])


def _loaders(config: Any, dataset: Any) -> tuple[Any, Any, Any]:
    saved = config["dataloaders_save_path"]
    if saved:
        _check_pickle("dataloaders_save_path", saved, config)
        return recbole_data.data_preparation(config, dataset)
    # a name that no file has: RecBole would look in the checkpoint folder otherwise
    config["dataloaders_save_path"] = os.path.join(config["checkpoint_dir"], "\0")
    try:
        return recbole_data.data_preparation(config, dataset)
    except UserError:
        raise
    except ValueError as error:  # such as a user who has every item, for whom there is no negative
        raise UserError(f"{config['model']} on '{config['dataset']}': {error}") from error
    finally:
        config["dataloaders_save_path"] = saved


def _check_pickle(key: str, path: str, config: Any) -> None:
    if not Path(path).is_file():
        raise UserError(f"{key}: {path} does not exist")
    if not config["allow_pickle"]:
        raise UserError(
            f"{key}: {path} is a pickle, and loading one can run any code it holds; "
            "add --allow_pickle=True if you trust its source"
        )

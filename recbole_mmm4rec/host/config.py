"""Configuration of a run: RecBole's, with our property files layered in and user input checked.

Later layers win: RecBole's own files, our ``overall.yaml``, ``dataset/<name>.yaml``, ``model/<Model>.yaml``,
``repaired/<Model>.yaml`` and ``reference/<Model>.yaml`` as far as ``fidelity`` asks for them, of a run that
is resumed all that its checkpoint says, then what the user gives: config files, dictionary, command line.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from recbole.config import Config
from recbole.utils import ModelType

from recbole_mmm4rec.cluster.group import group
from recbole_mmm4rec.cluster.place import Place
from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.host.catalogue import FAST, find_model, model_keys
from recbole_mmm4rec.host.config_checks import (
    check_known,
    check_types,
    check_whole,
    documented_keys,
    known_keys,
)
from recbole_mmm4rec.host.datasets import check_dataset
from recbole_mmm4rec.host.property_files import (
    FIDELITIES,
    Key,
    fidelity_layer,
    properties_path,
    read_properties,
)
from recbole_mmm4rec.host.resumed import settings_to_resume
from recbole_mmm4rec.host.value_checks import check_values
from recbole_mmm4rec.host.value_shapes import check_shapes
from recbole_mmm4rec.model.base import MultiModalRecommender
from recbole_mmm4rec.model.settings import check_backend
from recbole_mmm4rec.names import check_dataset_name
from recbole_mmm4rec.training.checkpoint_parts import using
from recbole_mmm4rec.training.plain import plain_config

DEFAULT_MODEL = "MMM4Rec"
DEFAULT_DATASET = "ml-100k"

ONE_PROCESS = (ModelType.TRADITIONAL, ModelType.DECISIONTREE)
"""Models that count, compare or build trees: each process would see only its share of the data."""

NAMES = ("model", "dataset", "resume", "recbole_code")
"""Keys that are checked before all others, as they say which others there are; None is their default."""


class RunConfig(Config):
    """RecBole's ``Config`` for runs started by this package.

    It differs in that our data settings hold for built-in models too, that input is checked and never
    evaluated as code, that ``sys.argv`` is not read, and that it follows what the process has joined
    (:func:`recbole_mmm4rec.cluster.group.joined`), with GPUs or without.

    Making one reads files and writes none.

    Args:
        model: model name or class; from the config files, the checkpoint of ``resume`` or ``MMM4Rec`` when
            None.
        dataset: dataset name; from the config files, the checkpoint of ``resume`` or ``ml-100k`` when None.
        config_file_list: YAML files, the last one wins.
        config_dict: values that win over the files.
        origin: how error messages call ``config_dict``.
        checked: refuse unknown keys and values of a wrong type.

    Raises:
        UserError: bad input, in one line.
    """

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: list[str] | None = None,
        config_dict: dict[str, Any] | None = None,
        origin: str = "config_dict",
        checked: bool = True,
    ) -> None:
        self.origin, self.checked = origin, checked
        self.sources: dict[str, str] = {}
        self._missing: set[str] = set()
        self.resumed: dict[str, Any] = {}
        try:
            super().__init__(model, dataset, config_file_list, config_dict)
        except UserError:
            raise
        except (ValueError, TypeError, NotImplementedError, RuntimeError) as error:
            raise UserError(in_one_line(error, None)) from error
        with using(self.final_config_dict.get("resume"), "settings"):
            check_values(self.model_class, self.final_config_dict)
        if checked:
            check_backend(self)

    def _load_config_files(self, file_list: list[str] | None) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for file in file_list or []:
            if not Path(file).is_file():
                raise UserError(f"config file '{file}' does not exist")
            values = read_properties(Path(file))
            self.sources.update(dict.fromkeys(values, str(file)))
            merged.update(values)
        return merged

    def _load_variable_config_dict(self, config_dict: dict[str, Any] | None) -> dict[str, Any]:
        self.sources.update(dict.fromkeys(config_dict or {}, self.origin))
        return dict(config_dict or {})

    def _load_cmd_line(self) -> dict[str, Any]:
        return {}

    def _get_model_and_dataset(self, model: str | type | None, dataset: str | None) -> tuple[str, type, str]:
        given = self.external_config_dict
        names = {key: given[key] for key in NAMES if given.get(key) is not None}
        named = {} if isinstance(model, type) or model is None else {"model": model}
        named |= {} if dataset is None else {"dataset": dataset}
        check_shapes(names, self.sources)
        check_shapes(named, dict.fromkeys(named, self.origin))
        model = model or given.get("model")
        dataset = given.get("dataset") if dataset is None else dataset
        name = model.__name__ if isinstance(model, type) else model
        wanted = {"model": name, "dataset": dataset}
        wanted |= {key: given.get(key) for key in ("fidelity", "checkpoint_dir")}
        self.resumed = settings_to_resume(given.get("resume"), wanted)
        name = name or self.resumed.get("model") or DEFAULT_MODEL
        code = given.get("recbole_code") or self.resumed.get("recbole_code") or FAST
        kind = model if isinstance(model, type) else find_model(name, code)
        dataset = self.resumed.get("dataset", DEFAULT_DATASET) if dataset is None else dataset
        check_dataset_name(dataset)
        return name, kind, dataset

    def _drop_empty_columns(self) -> None:
        """``load_col: {item: ~}`` means to load nothing of it, which RecBole says by leaving it out."""
        given = self.external_config_dict
        for key in ("load_col", "unload_col"):
            if given.get(key):
                given[key] = {file: columns for file, columns in given[key].items() if columns is not None}

    def _load_internal_config_dict(self, model: str, model_class: type, dataset: str) -> None:
        super()._load_internal_config_dict(model, model_class, dataset)
        add_properties(self)
        self.internal_config_dict.update(self.resumed)

    def _set_default_parameters(self) -> None:
        data_path = self.final_config_dict["data_path"]
        settle(self)
        self._complete_evaluation()
        if not self.final_config_dict["metrics"]:
            raise UserError("metrics: is empty")
        super()._set_default_parameters()
        check_dataset(data_path, self.dataset)
        # RecBole has its own folder for ml-100k (configurator.py, line 317)
        self.final_config_dict["data_path"] = os.path.join(data_path, self.dataset)

    def _complete_evaluation(self) -> None:
        """Keys of ``eval_args`` that are not given are those of the property files.

        RecBole would take its own defaults: a random split in a random order.
        """
        final = self.final_config_dict
        final["eval_args"] = {**self.internal_config_dict.get("eval_args", {}), **final["eval_args"]}

    def __getitem__(self, item: str) -> Any:
        if item not in self.final_config_dict:
            self._missing.add(item)
        return super().__getitem__(item)

    @contextmanager
    def missing_keys(self) -> Iterator[set[str]]:
        """Keys that are read within it and that nothing sets; RecBole gives None for them."""
        self._missing.clear()
        yield self._missing

    def _get_final_config_dict(self) -> dict[str, Any]:
        documented = documented_keys(self.model, self.dataset)
        if self.checked:
            known = known_keys(self.model_class, documented)
            check_known(self.external_config_dict, self.sources, known, self.model)
            check_whole(self.external_config_dict, self.sources)
        check_types(self.external_config_dict, self.sources, documented)
        self._check_resumed(documented)
        given = self.external_config_dict.items()
        check_shapes({key: value for key, value in given if key not in NAMES}, self.sources)
        self._drop_empty_columns()
        return super()._get_final_config_dict()

    def _check_resumed(self, documented: dict[str, Key]) -> None:
        """Refuse what a damaged or forged checkpoint may say."""
        sources = dict.fromkeys(self.resumed, f"resume: {self.external_config_dict.get('resume')}")
        check_types(self.resumed, sources, documented)
        check_shapes({key: value for key, value in self.resumed.items() if key not in NAMES}, sources)

    def _init_device(self) -> None:
        here = group()
        if here is None:
            super()._init_device()
        else:
            self._share_run(here.place)

    def _share_run(self, place: Place) -> None:
        """This process's part; RecBole would set up a process group of its own, on GPUs only."""
        final = self.final_config_dict
        if self.model_class.type in ONE_PROCESS:
            raise UserError(f"{self.model}: is not trained by gradients, and so by one process only")
        final.update(local_rank=place.local_rank, world_size=place.world_size, single_spec=False)
        final["device"] = self._device(place.local_rank)
        if place.local_rank != 0:
            final.update(state="error", show_progress=False, verbose=False)

    def _device(self, local_rank: int) -> torch.device:
        """A GPU for each process of a host, or for all of them the CPU."""
        if "gpu_id" in self.external_config_dict:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(self.final_config_dict["gpu_id"])
        if not self.final_config_dict["use_gpu"] or not torch.cuda.is_available():
            self.final_config_dict["gpu_id"] = ""
            return torch.device("cpu")
        if local_rank >= torch.cuda.device_count():
            raise UserError(
                f"gpu_id: process {local_rank} of this host has no GPU, {torch.cuda.device_count()} can be "
                "used; --use_gpu=False computes on CPUs"
            )
        torch.cuda.set_device(local_rank)
        return torch.device("cuda", local_rank)


def add_properties(config: Config) -> None:
    """Layer our property files over RecBole's in ``config.internal_config_dict``."""
    internal, files = config.internal_config_dict, ["overall", f"dataset/{config.dataset}"]
    if issubclass(config.model_class, MultiModalRecommender):
        files.append("shared")
    for name in files:
        internal.update(read_properties(properties_path() / f"{name}.yaml"))
    internal.update({name: key.default for name, key in model_keys(config.model).items()})
    fidelity = {**internal, **config.external_config_dict}.get("fidelity")
    if fidelity in FIDELITIES:
        internal.update(fidelity_layer(config.model, fidelity))


def settle(config: Config) -> None:
    """Give ``patience`` and the negatives of training the meaning RecBole expects, before it checks them."""
    final, given = config.final_config_dict, config.external_config_dict
    decided = {*getattr(config, "resumed", ()), *given}
    if "stopping_step" in given:
        final["patience"] = given["stopping_step"] + 1  # RecBole stops when the counter exceeds it
    elif final.get("patience") is not None:
        final["stopping_step"] = final["patience"] - 1
    samples_by_loss = not hasattr(config.model_class, "input_type")
    if samples_by_loss and final.get("loss_type") == "CE" and "train_neg_sample_args" not in decided:
        final["train_neg_sample_args"] = None
    if config.model_class.type == ModelType.CONTEXT and not {"threshold", "train_neg_sample_args"} & decided:
        # RecBole wants labels cut from ratings here; like the others, these models learn from what was chosen
        final.update(threshold=None, train_neg_sample_args={"distribution": "uniform", "sample_num": 1})


def restore_config(settings: dict[str, Any], data_path: str | None = None) -> RunConfig:
    """The configuration of an earlier run from the settings in its checkpoint.

    Args:
        settings: what :func:`~recbole_mmm4rec.training.plain.portable_config` left of them.
        data_path: folder of the datasets, instead of the one that the settings name.
    """
    plain = plain_config(settings) | ({"data_path": data_path} if data_path else {})
    if not {"model", "dataset"} <= plain.keys():
        raise UserError("checkpoint: its configuration names no model and dataset")
    model, dataset = plain.pop("model"), plain.pop("dataset")
    return RunConfig(model, dataset, config_dict=plain, origin="checkpoint", checked=False)

"""What decides the numbers of a run, as one short key: equal keys, equal numbers."""

import hashlib
import inspect
import json
from collections.abc import Collection
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import recbole_mmm4rec
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.names import dataset_files
from recbole_mmm4rec.quick_start.code_fingerprint import code_fingerprint, file_fingerprint
from recbole_mmm4rec.training.plain import DERIVED_KEYS, plain_config

PLACES = frozenset(
    {"data_path", "checkpoint_dir", "dataset_save_path", "dataloaders_save_path", "wandb_project"}
)
COSTS = frozenset(
    {"show_progress", "state", "gpu_id", "use_gpu", "worker", "save_dataset", "save_dataloaders"}
) | {"log_wandb", "flops", "state_every", "save_every", "save_features", "eval_chunk_size", "config_files"}
"""Keys on which costs and files depend, but no number."""

WEIGHT_KEYS = ("pretrained", "pre_model_path")
"""Keys that name a file of weights to start from: any model's, and that of RecBole's S3Rec."""

_DESCRIPTIONS = (".json", ".html", ".tsv")  # files beside a dataset that no run reads
_BLOCK = 1 << 20


def run_key(config: Any, pretrain_key: str | None = None, but: Collection[str] = ()) -> str:
    """16 hexadecimal digits of a run: its task, the package's code, and the versions.

    The device is left out: it changes the last digits at most, and a benchmark may move to another machine.

    Args:
        config: the run's final configuration, a :class:`~recbole_mmm4rec.host.config.RunConfig`.
        pretrain_key: key of the run whose weights it starts from.
        but: keys whose values do not count: runs that differ only by these have the same key.
    """
    return short_hash(_task(config, pretrain_key, but) | {"versions": code_versions(config)})


def code_versions(config: Any) -> dict[str, str]:
    """:func:`package_versions`, and the code of a model that is neither of this package nor RecBole's."""
    return package_versions() | _code_elsewhere(config.model_class)


def _code_elsewhere(model_class: type) -> dict[str, str]:
    """The module that defines a model which is neither of this package nor RecBole's."""
    if model_class.__module__.split(".")[0] in ("recbole", recbole_mmm4rec.__name__):
        return {}
    try:
        return {"model": file_fingerprint(Path(inspect.getfile(model_class)))}
    except (OSError, TypeError):  # defined where no file is, as in a notebook
        return {}


def task_key(config: Any, pretrain_task: str | None = None) -> str:
    """The same of what is to be computed, whatever code computes it: settings and the content of the data.

    Args:
        config: as for :func:`run_key`.
        pretrain_task: task key of the run whose weights it starts from.
    """
    return short_hash(_task(config, pretrain_task))


def _task(config: Any, pretrain_key: str | None, but: Collection[str] = ()) -> dict[str, Any]:
    files = [file_hash(Path(config[key])) for key in WEIGHT_KEYS if config[key] and key not in but]
    return {
        "settings": {key: value for key, value in settings_of(config).items() if key not in but},
        "data": dataset_hash(Path(config["data_path"]), config["dataset"]),
        "weights": " ".join(filter(None, [*files, pretrain_key])) or None,
    }


def settings_of(config: Any) -> dict[str, Any]:
    """Final values of a configuration that decide numbers, as JSON has them."""
    plain = plain_config(config.final_config_dict)
    return {key: value for key, value in plain.items() if key not in PLACES | COSTS | DERIVED_KEYS}


def package_versions() -> dict[str, str]:
    """Versions of what computes the numbers, and a hash of this package's code."""
    versions = {name: metadata.version(name) for name in ("recbole", "torch")}
    others = {name: version.split("+")[0] for name, version in versions.items()}  # without +cpu, +cu128
    return {"package": recbole_mmm4rec.__version__, "code": code_fingerprint(), **others}


def short_hash(facts: Any) -> str:
    """16 hexadecimal digits of JSON-able facts, whatever the order of their keys."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def dataset_hash(folder: Path, name: str) -> str:
    """Hash of the content of a dataset's files, interactions and features."""
    return short_hash(dataset_hashes(folder, name))


def dataset_hashes(folder: Path, name: str) -> dict[str, str]:
    """Hash of each file of a dataset by its name."""
    files = dataset_files(folder, name)
    return {path.name: file_hash(path) for path in files if path.suffix not in _DESCRIPTIONS}


def file_hash(path: Path) -> str:
    """Hash of a file's content; read again only when its size or time of change differs.

    Raises:
        UserError: no such file.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    status = path.stat()
    return _content_hash(str(path.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _content_hash(path: str, size: int, changed: int) -> str:  # noqa: ARG001
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

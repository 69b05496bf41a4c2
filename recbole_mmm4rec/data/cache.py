"""Saved datasets can never be stale: RecBole's comparison learns this package's keys, and files are compared.

RecBole (``save_dataset``, ``save_dataloaders``) loads a saved dataset when the keys in its list
``dataset_arguments`` are as they were. That list lacks every key of this package, the path of the data and
whether the files are still the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole.utils.argument_list import dataset_arguments

from recbole_mmm4rec.names import dataset_files

COMPARED_KEYS = (
    "model", "data_path", "modalities", "full_modality_only", "stage", "hold_out",
    "encoding", "numerical_features", "discretization",
)  # fmt: skip


def compare_own_keys() -> None:
    """Add the keys to RecBole's list, once; it is RecBole's own object, so its comparison sees them."""
    dataset_arguments.extend(key for key in COMPARED_KEYS if key not in dataset_arguments)


def fingerprint(folder: str, dataset: str) -> dict[str, tuple[int, int]]:
    """Size and time of change (ns) of every file of a dataset, by name."""
    found = {path.name: path.stat() for path in dataset_files(Path(folder), dataset)}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def make_unusable(config: Any) -> None:
    """Change the saved ``config`` so that RecBole finds a difference and builds the dataset anew."""
    config["data_path"] = None

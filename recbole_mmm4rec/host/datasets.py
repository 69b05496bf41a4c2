"""Where a dataset lies, and what to say when it is not there."""

import os
from pathlib import Path

import yaml

from recbole_mmm4rec.data.validation import existing_datasets
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import near
from recbole_mmm4rec.host.property_files import recbole_properties_path
from recbole_mmm4rec.prepare import SHIPPED, ensure_dataset


def dataset_folder(data_path: str, name: str) -> str:
    """Folder of a dataset, made on the spot when it is one of ours and absent.

    Args:
        data_path: folder that holds one folder a dataset.
        name: the dataset.

    Returns:
        ``<data_path>/<name>``.

    Raises:
        UserError: no such dataset; the message names those that exist and those that can be made.
    """
    folder = os.path.join(data_path, name)
    if not list(Path(folder).glob(f"{name}.*inter")) and not ensure_dataset(name, data_path):
        raise UserError(f"no dataset '{name}' in '{data_path}': {_choices(data_path, name)}")
    return folder


def _choices(data_path: str, name: str) -> str:
    existing = existing_datasets(data_path)
    makeable = [known for known in SHIPPED if known not in existing]
    there = f"there is {', '.join(existing)}" if existing else "the folder holds none"
    made = f"; made on demand: {', '.join(makeable)}" if makeable else ""
    return f"{there}{made}{near(name, [*existing, *makeable])}{_download_hint(name)}"


def _download_hint(name: str) -> str:
    listed = yaml.safe_load((recbole_properties_path() / "dataset" / "url.yaml").read_text())
    return f"; RecBole lists a download: {listed[name]}" if name in listed else ""

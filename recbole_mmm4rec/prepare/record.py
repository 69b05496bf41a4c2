"""``<name>.prepare.json``, the record beside a dataset: how it was made, and where its pictures are."""

import json
import os
from pathlib import Path

from recbole_mmm4rec.columns import IMAGES
from recbole_mmm4rec.errors import UserError

PICTURES = "picture_folders"
"""Key of the folders of pictures, relative to the folder of the dataset, so that both can move together."""


def record_path(folder: Path, name: str) -> Path:
    """Return the path of the record of the dataset ``name`` in ``folder``."""
    return folder / f"{name}.prepare.json"


def picture_folders(*pictures: Path, target: Path) -> dict[str, list[str]]:
    """Return the part of a record that says where the pictures of the dataset in ``target`` are."""
    return {PICTURES: [os.path.relpath(folder, target) for folder in pictures]}


def known_pictures(name: str, folder: Path) -> list[Path]:
    """Return the folders of the dataset's pictures that exist: its own, and those that its record names.

    Raises ``UserError`` for a damaged record.
    """
    found = [folder / IMAGES, *(folder / listed for listed in _listed(record_path(folder, name)))]
    return [pictures for pictures in found if pictures.is_dir()]


def _listed(path: Path) -> list[str]:
    if not path.is_file():
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [str(listed) for listed in record.get(PICTURES, [])]
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path}: not the record of a dataset") from error

"""Names of datasets and modalities: they become folders and parts of file names, so there is one rule.

Anything else could lead out of the folder of the datasets, hide the dataset, or break its file names apart.
"""

import unicodedata
from pathlib import Path
from typing import Any

from recbole_mmm4rec.columns import ID
from recbole_mmm4rec.errors import UserError

LONGEST = 100
"""Bytes; file systems allow 255 for a file name, of which suffixes and temporary names need a part."""
_INSIDE = "-+. "


def check_dataset_name(name: Any) -> None:
    """Raise ``UserError`` for what cannot be the name of a dataset."""
    _check("dataset", name, _INSIDE)


def check_modality_name(name: Any) -> None:
    """Raise ``UserError`` for what cannot be the name of a modality. A dot would end it in a file name."""
    if name == ID:
        raise UserError(f"'{ID}' cannot be the name of a modality: it is that of trainable item vectors")
    _check("modality", name, _INSIDE.replace(".", ""))


def dataset_files(folder: Path, dataset: str) -> list[Path]:
    """The files of a dataset in its folder, sorted by name; empty without a folder."""
    files = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in files if path.name.startswith(f"{dataset}.") and path.is_file())


def _check(kind: str, name: Any, inside: str) -> None:
    if not isinstance(name, str) or not _fits(name, inside):
        marks = ", ".join(f"'{mark}'" for mark in inside)
        raise UserError(
            f"{name!r} cannot be the name of a {kind}: a name has letters, digits and '_', with {marks} "
            f"only inside, at most {LONGEST} bytes"
        )


def _fits(name: str, inside: str) -> bool:
    if not 0 < len(name.encode("utf-8", errors="replace")) <= LONGEST:
        return False
    ends = name[0] + name[-1]
    return all(_is_letter(sign) or sign in inside for sign in name) and not any(
        sign in inside for sign in ends
    )


def _is_letter(sign: str) -> bool:
    """Letters, numbers and the marks that many scripts set on them (also accents as separate characters)."""
    return sign == "_" or unicodedata.category(sign)[0] in "LNM"

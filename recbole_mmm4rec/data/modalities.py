"""Which feature files a run reads: those the config names, or all that lie beside the dataset."""

from __future__ import annotations

from collections.abc import Iterable
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole_mmm4rec.columns import FEATURE_SUFFIX
from recbole_mmm4rec.data.feature_files import has_text_header
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError


def usable_modalities(model_class: Any) -> tuple[str, ...]:
    """Modalities a model can use, its class attribute ``modalities``; none for RecBole's own models."""
    return tuple(getattr(model_class, "modalities", None) or ())


def feature_files(folder: Path, dataset: str, separator: str = "\t") -> dict[str, Path]:
    """Every feature file ``<dataset>.<modality>[.parquet]`` of a folder: modality -> path, by name.

    Raises UserError where a modality has a Parquet and a text file.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(f"{_escaped(dataset)}.*")):
        modality = path.name[len(dataset) + 1 :].removesuffix(FEATURE_SUFFIX)
        is_parquet = path.name.endswith(FEATURE_SUFFIX)
        if not path.is_file() or "." in modality or not (is_parquet or has_text_header(path, separator)):
            continue
        if modality in found:
            raise UserError(f"{path}: a second file for {modality} beside {found[modality].name}")
        found[modality] = path
    return found


def choose_feature_files(
    wanted: Any, model_class: Any, folder: Path, dataset: str, separator: str = "\t"
) -> dict[str, Path]:
    """Return modality -> path of the files to read, in the model's order.

    ``wanted`` is the config's ``modalities``: names, or None for every file in the folder that the model can
    use. Raises UserError for a named file that is missing and for a named modality the model cannot use.
    """
    usable = usable_modalities(model_class)
    if wanted is None:
        files = feature_files(folder, dataset, separator) if usable else {}
        return {name: files[name] for name in usable if name in files}
    names = _as_names(wanted)
    unusable = [name for name in names if name not in usable]
    if unusable:
        raise UserError(f"modalities: {_name(model_class)} cannot use {named(unusable)}; {_offer(usable)}")
    files = feature_files(folder, dataset, separator)
    for name in names:
        if name not in files:
            raise UserError(f"{folder / f'{dataset}.{name}{FEATURE_SUFFIX}'}: feature file missing")
    return {name: files[name] for name in usable if name in names}


def report_left_out(wanted: Any, model_class: Any, folder: Path, dataset: str, separator: str = "\t") -> None:
    """Log one line about files beside the dataset that the model cannot use, unless ``wanted`` names files.

    Nothing is said for a model that uses no features at all.
    """
    usable = usable_modalities(model_class)
    if wanted is None and usable:
        files = feature_files(folder, dataset, separator)
        unused = [path.name for name, path in files.items() if name not in usable]
        if unused:
            where = f"{', '.join(unused)} in {folder}"
            getLogger().info(f"{_name(model_class)} leaves out {where}: {_offer(usable)}")


def _as_names(wanted: Any) -> list[str]:
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UserError(f"modalities: a list of names such as [text, image] is needed, not {wanted!r}")
    return list(names)


def _offer(usable: Iterable[str]) -> str:
    names = list(usable)
    return f"it can use {named(names)}" if names else "it uses no features"


def _name(model_class: Any) -> str:
    return getattr(model_class, "__name__", "this model")


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)

"""Which feature files a run reads: those the config names, or those of the model found beside the data."""

from __future__ import annotations

from collections.abc import Iterable
from logging import getLogger
from pathlib import Path
from typing import Any

from torch import nn

from recbole_mmm4rec.columns import FEATURE_SUFFIX
from recbole_mmm4rec.data.feature_files import has_text_header
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.names import check_modality_name

RESERVED = ("item", "present")
"""Names of other vectors in a model's table of items."""


def usable_modalities(model_class: Any) -> tuple[str, ...]:
    """Modalities a model uses where the config names none; none for RecBole's own models.

    They are its class attributes ``modalities``, and ``companions``, which are only read along with those.
    """
    return (*_of(model_class, "modalities"), *_of(model_class, "companions"))


def pick_modalities(model_class: Any, wanted: Any, there: Iterable[str]) -> list[str]:
    """Names of the modalities to use, in the order in which a model takes them.

    Args:
        model_class: its class attribute ``most_modalities`` says how many it takes, else the number of its
            ``modalities``.
        wanted: the config's ``modalities``: any names, or None for those the model uses by itself. The
            model's own come first, in its order, then the others as they are named.
        there: names of the features that exist; of ``wanted`` those are returned that are among them.

    Raises:
        UserError: a model without features, more modalities than it takes, or a name that cannot be used.
    """
    own, existing = usable_modalities(model_class), set(there)
    names = list(own) if wanted is None else _as_names(wanted)
    if names and not own:
        raise UserError(f"modalities: {_name(model_class)} cannot use {named(names)}; it uses no features")
    _refuse_reserved(names)
    ordered = [*(name for name in own if name in names), *(name for name in names if name not in own)]
    picked = [name for name in ordered if name in existing]
    main = [name for name in picked if name not in _of(model_class, "companions")]
    most = getattr(model_class, "most_modalities", None) or len(_of(model_class, "modalities"))
    if len(main) > most:
        raise UserError(f"modalities: {_name(model_class)} takes at most {most}, not {named(main)}")
    return picked


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

    ``wanted`` is the config's ``modalities``: names, or None for the files that the model uses by itself.
    Raises UserError for a named file that is missing, and as :func:`pick_modalities`.
    """
    names = [] if wanted is None else _as_names(wanted)
    pick_modalities(model_class, wanted, names)
    files = feature_files(folder, dataset, separator) if usable_modalities(model_class) else {}
    for name in names:
        if name not in files:
            raise UserError(f"{folder / f'{dataset}.{name}{FEATURE_SUFFIX}'}: feature file missing")
    return {name: files[name] for name in pick_modalities(model_class, wanted, files)}


def report_left_out(wanted: Any, model_class: Any, folder: Path, dataset: str, separator: str = "\t") -> None:
    """Log one line about files beside the dataset that are not used, unless ``wanted`` names files.

    Nothing is said for a model that uses no features at all.
    """
    usable = usable_modalities(model_class)
    if wanted is None and usable:
        files = feature_files(folder, dataset, separator)
        unused = [path.name for name, path in files.items() if name not in usable]
        if unused:
            where = f"{', '.join(unused)} in {folder}"
            getLogger().info(f"{_name(model_class)} leaves out {where}: it uses {named(usable)} by itself")


def _as_names(wanted: Any) -> list[str]:
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise UserError(f"modalities: a list of names such as [text, image] is needed, not {wanted!r}")
    return list(names)


def _refuse_reserved(names: list[str]) -> None:
    for name in names:
        check_modality_name(name)
        if name in RESERVED or hasattr(nn.ModuleDict, name):
            raise UserError(f"modalities: {name!r} has a meaning inside a model; rename the feature file")
        if names.count(name) > 1:
            raise UserError(f"modalities: {name!r} is named twice")


def _of(model_class: Any, attribute: str) -> tuple[str, ...]:
    return tuple(getattr(model_class, attribute, None) or ())


def _name(model_class: Any) -> str:
    return getattr(model_class, "__name__", "this model")


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)

"""Whether a dataset exists and has the features that a run needs; if not, the command that makes them."""

from pathlib import Path
from typing import Any

from recbole_mmm4rec.columns import FEATURE_SUFFIX, TEXT
from recbole_mmm4rec.data.feature_files import open_features
from recbole_mmm4rec.data.modalities import choose_feature_files, feature_files, usable_modalities
from recbole_mmm4rec.data.validation import existing_datasets
from recbole_mmm4rec.host.catalogue import near
from recbole_mmm4rec.prepare import SHIPPED
from recbole_mmm4rec.prepare.settings import known_datasets

_PREPARE = "python -m recbole_mmm4rec.prepare"


def is_there(data_path: str, name: str) -> bool:
    """Whether a dataset exists or can be made without a download."""
    return name in SHIPPED or name in existing_datasets(data_path)


def how_to_make(data_path: str, name: str) -> str:
    """One line: the dataset does not exist, and the command that makes it."""
    known = known_datasets()
    hint = "" if name in known else near(name, [*existing_datasets(data_path), *SHIPPED, *known])
    source = "--source=<folder of the publisher's files>"
    return f"{data_path}/{name} is not there; make it with: {_PREPARE} {name} {source}{hint}"


def missing_features(config: Any) -> str | None:
    """One line if the dataset lacks feature files that a configuration needs, else None.

    Raises:
        UserError: ``modalities`` names one that the model cannot use.
    """
    folder, name = Path(config["data_path"]), config["dataset"]
    files = feature_files(folder, name, config["field_separator"])
    wanted, only = config["modalities"], config["full_modality_only"]
    lacking = [modality for modality in [*_named(wanted), *_named(only)] if modality not in files]
    usable = usable_modalities(config.model_class)
    if not lacking and wanted is None and usable and not set(usable) & set(files):
        lacking = list(usable)
    if not lacking and only and not files:
        lacking = [TEXT]
    if lacking:
        return (
            f"{folder / f'{name}.{lacking[0]}{FEATURE_SUFFIX}'} is not there; make it with: "
            f"{_PREPARE} import {name} --modality={lacking[0]} --file=<vectors>"
        )
    choose_feature_files(wanted, config.model_class, folder, name, config["field_separator"])
    return None


def shared_modalities(model_class: type, folders: list[Path], separator: str = "\t") -> list[str] | None:
    """Modalities that a model can use and whose features come from the same encoder in every dataset.

    Returns:
        Their names; None if they are all modalities of the datasets, so that no choice is needed.
    """
    files = [feature_files(folder, folder.name, separator) for folder in folders]
    there = [name for name in usable_modalities(model_class) if any(name in own for own in files)]
    alike = [name for name in there if _from_one_encoder([own.get(name) for own in files])]
    return None if alike == there else alike


def _from_one_encoder(paths: list[Path | None]) -> bool:
    facts = [open_features(path).metadata if path else None for path in paths]
    if None in facts:
        return False
    return all(
        len({metadata[fact] for metadata in facts if metadata and metadata.get(fact)}) < 2
        for fact in ("encoder", "dimension")
    )


def _named(modalities: Any) -> list[str]:
    """Modalities that a key names; true and false name none."""
    if isinstance(modalities, str):
        return [modalities]
    return list(modalities) if isinstance(modalities, list | tuple) else []

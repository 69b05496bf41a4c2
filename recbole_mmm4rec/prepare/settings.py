"""What a dataset is made of and how: property file, then the command line."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.property_files import properties_path, read_properties
from recbole_mmm4rec.prepare.raw_files import is_there

VARIANTS = "variants"
LISTS = ("interactions", "items", "item_fields")
"""Keys that take a list of texts."""
OPTIONAL = ("items", "text")
"""Keys with a default that may be left empty (null) all the same."""
SOURCE = "source"
"""Key of property files only: the folder of the raw files, where the command line does not give it."""
POSITIVE = ("min_interactions", "batch_size")


@dataclass(frozen=True)
class Settings:
    """One raw dataset. Each key is documented in ``properties/prepare/overall.yaml``."""

    layout: str = "table"
    interactions: str | list[str] = "interactions.csv"
    items: str | list[str] | None = "items.csv"
    user_column: str = "user_id"
    item_column: str = "item_id"
    rating_column: str | None = None
    time_column: str | None = None
    time_unit: str = "s"
    date_order: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    item_fields: list[str] = field(default_factory=lambda: ["title"])
    picture_column: str | None = None
    min_interactions: int = 5
    keep_duplicates: bool = False
    text: str | None = "title-category-brand"
    pictures: str | None = None
    download: bool = False
    text_encoder: str | None = None
    image_encoder: str | None = None
    encoders: dict[str, str] = field(default_factory=dict)
    encoder_options: dict[str, Any] = field(default_factory=dict)
    download_options: dict[str, Any] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    batch_size: int = 64

    def as_dict(self) -> dict[str, Any]:
        """JSON form, for the record beside the dataset."""
        return asdict(self)


KEYS = tuple(entry.name for entry in fields(Settings))


def known_datasets() -> list[str]:
    """Names of the raw datasets that have a property file."""
    return sorted(path.stem for path in _folder().glob("*.yaml") if path.stem != "overall")


def read_settings(
    name: str, source: Path, overrides: Mapping[str, Any], config_file: Path | None = None
) -> Settings:
    """Layer ``overall.yaml``, ``<name>.yaml`` (or ``config_file``) and ``overrides``, the later ones winning.

    Where a file lists variants (several ways in which a publisher's data is passed on), the first whose
    interactions are in the folder ``source`` is taken. Raises ``UserError`` for a key or value that is wrong,
    and for a feature file that is absent, unless it is our own property file that names it.
    """
    own = config_file or _folder() / f"{name}.yaml"
    if config_file is not None and not config_file.is_file():
        raise UserError(f"{config_file}: no such file")
    values = _variant(read_properties(own), source)
    values.pop(SOURCE, None)
    _refuse_unknown(values, str(own))
    _refuse_unknown(overrides, "command line")
    merged = read_properties(_folder() / "overall.yaml") | values | dict(overrides)
    settings = Settings(**{key: _checked(key, value) for key, value in merged.items()})
    if "features" in overrides or config_file is not None:
        _refuse_absent(settings.features, source)
    return settings


def source_of(config_file: Path | None) -> str | None:
    """Return the folder of raw files that a property file names; ``UserError`` if it is not a text."""
    value = None if config_file is None else read_properties(config_file).get(SOURCE)
    if value is not None and not isinstance(value, str):
        raise UserError(f"{config_file}: {SOURCE}: {value!r} is not the name of a folder")
    return value


def _folder() -> Path:
    return properties_path() / "prepare"


def _variant(values: dict[str, Any], source: Path) -> dict[str, Any]:
    variants = values.pop(VARIANTS, [])
    if not isinstance(variants, list) or not all(isinstance(variant, dict) for variant in variants):
        raise UserError(f"{VARIANTS}: a list of mappings is expected, not {variants!r}")
    for variant in variants:
        names = _checked("interactions", variant.get("interactions", []))
        if is_there(source, names):
            return values | variant
    return values | (variants[0] if variants else {})


def _refuse_unknown(values: Mapping[str, Any], origin: str) -> None:
    for key in values:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            raise UserError(
                f"{origin}: unknown key '{key}'" + (f", did you mean '{near[0]}'?" if near else "")
            )


def _refuse_absent(features: Mapping[str, str], source: Path) -> None:
    for modality, name in features.items():
        if not (source / name).is_file():
            raise UserError(f"features: {modality}: no file {source / name}")


def _checked(key: str, value: Any) -> Any:
    if not _fits(key, value) or (key in POSITIVE and value < 1):
        raise UserError(f"{key}: {value!r} is not what this key takes (default {getattr(_DEFAULTS, key)!r})")
    return value


def _fits(key: str, value: Any) -> bool:
    default = getattr(_DEFAULTS, key)
    if isinstance(value, list):
        return key in LISTS and all(isinstance(name, str) for name in value)
    if key in ("features", "encoders"):
        return isinstance(value, dict) and all(isinstance(name, str) for name in chain(*value.items()))
    if default is None or (value is None and key in OPTIONAL):
        return value is None or isinstance(value, str)
    return type(value) is type(default)


_DEFAULTS = Settings()
TEXT_KEYS = tuple(
    key for key in KEYS if getattr(_DEFAULTS, key) is None or isinstance(getattr(_DEFAULTS, key), str)
)
"""Keys whose value is a text, a file name or a list of file names."""

"""Property files: YAML in which every key has ``# (type) meaning`` beside it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from recbole_mmm4rec.errors import UserError

KEY_LINE = re.compile(r"^(?P<indent>\s*)(?P<name>[A-Za-z_][\w-]*):(?P<rest>.*)$")
COMMENT = re.compile(r"#\s*\((?P<types>[^)]*)\)\s*(?P<meaning>.*)$")
EXPONENT = re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


class PropertyLoader(yaml.SafeLoader):
    """Safe YAML that reads ``1e-4`` as a number, as RecBole does (plain YAML 1.1 wants ``1.0e-4``)."""


class PropertyDumper(yaml.SafeDumper):
    """Its counterpart: quotes texts that the loader would read as numbers, such as the name ``12e34``."""


for _side in (PropertyLoader, PropertyDumper):
    _side.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


IMPROVED, REPAIRED, REFERENCE = FIDELITIES = ("improved", "repaired", "reference")
"""Values of the key ``fidelity``. Each puts the model's file of its folder, if any, on those before it."""


@dataclass(frozen=True)
class Key:
    """One documented key: its default and what the comment beside it says."""

    name: str
    default: Any
    types: str
    meaning: str


def properties_path() -> Path:
    """Folder of our property files: inside an installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "properties"
    return installed if installed.is_dir() else package.parent / "properties"


def ready_benchmarks() -> list[str]:
    """Names of the files under ``properties/benchmark``."""
    return sorted(path.stem for path in (properties_path() / "benchmark").glob("*.yaml"))


def improved_models() -> list[str]:
    """Names of the models whose own file goes beyond the paper, which ``properties/repaired`` takes back."""
    return sorted(path.stem for path in (properties_path() / REPAIRED).glob("*.yaml"))


def fidelity_layer(model: str, fidelity: str) -> dict[str, Any]:
    """What a fidelity puts on top of a model's own file.

    Raises:
        UserError: ``improved`` for a model that has no such thing.
    """
    if fidelity == IMPROVED and model not in improved_models():
        raise UserError(f"fidelity: improved: {model} has none, only {', '.join(improved_models())}")
    layer: dict[str, Any] = {}
    for name in FIDELITIES[: FIDELITIES.index(fidelity) + 1]:
        layer |= read_properties(properties_path() / name / f"{model}.yaml")
    return layer


def recbole_properties_path() -> Path:
    """Folder of RecBole's own property files."""
    import recbole

    return Path(recbole.__file__).resolve().parent / "properties"


def read_properties(path: Path) -> dict[str, Any]:
    """Read one property file; an absent or empty file has no keys.

    Raises:
        UserError: the file is not YAML, or not a mapping of keys to values.
    """
    if not path.is_file():
        return {}
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=PropertyLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as YAML{_where(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected lines of 'key: value', found a {type(values).__name__}")
    return {str(key): value for key, value in values.items()}


def as_properties(values: Mapping[str, Any]) -> str:
    """YAML that :func:`read_properties` reads back as these values."""
    return yaml.dump(dict(values), Dumper=PropertyDumper, sort_keys=False, allow_unicode=True)


def read_config_files(names: Iterable[str]) -> dict[str, Any]:
    """Values of several files, the last one wins.

    Raises:
        UserError: a file that does not exist, or is not a YAML mapping.
    """
    values: dict[str, Any] = {}
    for name in names:
        if not Path(name).is_file():
            raise UserError(f"config file '{name}' does not exist")
        values.update(read_properties(Path(name)))
    return values


@lru_cache(maxsize=256)
def read_keys(path: Path) -> dict[str, Key]:
    """The documented top-level keys of one property file, in file order."""
    comments = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        match = KEY_LINE.match(line)
        if match and not match["indent"]:
            comments[match["name"]] = COMMENT.search(match["rest"])
    return {name: _key(name, value, comments.get(name)) for name, value in read_properties(path).items()}


def _key(name: str, default: Any, comment: re.Match[str] | None) -> Key:
    if comment is None:
        return Key(name, default, "", "")
    return Key(name, default, comment["types"].strip(), comment["meaning"].strip())


def _where(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return " (nested too deeply)"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    return f" (line {mark.line + 1}: {problem})" if mark is not None else ""

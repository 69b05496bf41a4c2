"""Checks of the keys that the user set: only known ones, with values of the documented type."""

import difflib
import inspect
import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import model_keys, recbole_models
from recbole_mmm4rec.host.property_files import Key, properties_path, read_keys, recbole_properties_path
from recbole_mmm4rec.host.value_shapes import check_shapes
from recbole_mmm4rec.renamed import KEYS, renamed_key

PLACE_KEYS = ("nproc", "world_size", "group_offset", "ip", "port", "local_rank", "offset")
"""Where a process stands among others: flags of the command line, or what RecBole makes of them."""

RUN_KEYS = frozenset({"model", "dataset", "config_files", *PLACE_KEYS})
"""Keys of a run itself, which no property file holds."""

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "string": (str,),
    "bool": (bool,),
    "list": (list, tuple),
    "dict": (dict,),
    "none": (type(None),),
}


def documented_keys(model: str, dataset: str) -> dict[str, Key]:
    """Every key of a property file that concerns a run; later files replace earlier ones."""
    keys: dict[str, Key] = {}
    for root in (recbole_properties_path(), properties_path()):
        names = ["overall", "dataset/sample", f"dataset/{dataset}"]
        if model not in recbole_models():
            names += ["shared", f"reference/{model}"]
        names.append(f"model/{model}")
        files = [root / f"{name}.yaml" for name in names]
        for path in [*files, *sorted((root / "quick_start_config").glob("*.yaml"))]:
            _add(keys, read_keys(path))
    _add(keys, model_keys(model))
    return keys


def _add(keys: dict[str, Key], more: Mapping[str, Key]) -> None:
    """Add keys; one without a comment keeps the type and meaning known from an earlier file."""
    for name, key in more.items():
        if key.types or name not in keys:
            keys[name] = key


def known_keys(model_class: type, documented: dict[str, Key]) -> set[str]:
    """Documented keys, RecBole's argument lists, and keys that the model's own source reads."""
    from recbole.utils import argument_list

    lists = [value for value in vars(argument_list).values() if isinstance(value, list)]
    return set(RUN_KEYS).union(documented, _read_by(model_class), *lists)


@lru_cache(maxsize=128)
def _read_by(model_class: type) -> frozenset[str]:
    """Keys that the source of a model and of its base classes looks up in its configuration.

    Classes of this folder that stand in for RecBole's read what those read, and share modules with others.
    """
    keys: set[str] = set()
    for kind in model_class.__mro__:
        module = kind.__module__
        if module.partition(".")[0] not in ("builtins", "torch") and module.rpartition(".")[0] != __package__:
            keys.update(re.findall(r"config\[[\"'](\w+)[\"']\]", _source(kind)))
    return frozenset(keys)


def _source(kind: type) -> str:
    """Source of a class's module, or of the class itself where it was defined in a notebook."""
    for place in (sys.modules.get(kind.__module__), kind):
        try:
            return inspect.getsource(place)  # type: ignore[arg-type]
        except (OSError, TypeError):  # no file, or no source at all
            continue
    return ""


def check_known(values: dict[str, Any], sources: dict[str, str], known: set[str], model: str) -> None:
    """Refuse keys that nothing reads.

    Raises:
        UserError: naming the source of the first unknown key and the nearest known key.
    """
    for key in values:
        if key not in known:
            renamed = renamed_key(key)
            if renamed and KEYS[key] in known:
                raise UserError(f"{sources[key]}: {renamed}")
            nearest = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.0)[0]
            hint = f"the nearest known key is '{nearest}'"
            raise UserError(f"{sources[key]}: unknown key '{key}' for {model}; {hint}")


def check_types(values: dict[str, Any], sources: dict[str, str], documented: dict[str, Key]) -> None:
    """Refuse values of another type than the comment beside the key says.

    Raises:
        UserError: naming source, key, the type that is expected and what was given.
    """
    for name, value in values.items():
        key = documented.get(name)
        if key is not None and not fits(value, key):
            expected = f"({key.types}) {key.meaning}".strip()
            raise UserError(f"{sources[name]}: '{name}' expects {expected}; got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{sources[name]}: '{name}' expects a finite number; got {value!r}")


def check_settings(origin: str, model: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings of an earlier run, from its checkpoint, that have another type than their keys.

    Raises:
        UserError: naming ``origin``, the key and what it expects.
    """
    sources = dict.fromkeys(settings, origin)
    check_types(dict(settings), sources, documented_keys(model, ""))
    check_shapes(settings, sources)


def check_whole(values: dict[str, Any], sources: dict[str, str]) -> None:
    """Refuse what leaves RecBole looking for the rest: no metric, or a process's place.

    Raises:
        UserError: naming source and key.
    """
    if "metrics" in values and not values["metrics"]:
        raise UserError(f"{sources['metrics']}: 'metrics' names no metric")
    for key in PLACE_KEYS:
        if key in values:
            raise UserError(
                f"{sources[key]}: '{key}' does not place a process; the command line's flags --nproc, "
                "--world_size, --group_offset, --ip and --port do, or torchrun"
            )


def fits(value: Any, key: Key) -> bool:
    """Whether a value has a type that the comment names, or the default's own type.

    An unreadable comment lets everything pass. None passes except where a number or flag is expected.
    """
    accepted = accepted_types(key.types)
    if not accepted or type(value) is type(key.default):
        return True
    if value is None:
        return type(None) in accepted or not {int, float, bool} & set(accepted)
    if isinstance(value, bool):
        return bool in accepted
    return isinstance(value, accepted) or (is_text(key) and isinstance(value, int | float))


def is_text(key: Key) -> bool:
    """Whether a key is documented as text only; YAML reads some texts, such as a GPU's id, as numbers."""
    return str in accepted_types(key.types) and set(accepted_types(key.types)) <= {str, type(None)}


def accepted_types(comment: str) -> tuple[type, ...]:
    """Python types of a comment such as ``list or str`` or ``list of int``; empty if not understood."""
    words = [part.split()[0].lower() for part in re.split(r"\bor\b|,|\|", comment) if part.split()]
    if not words or any(word not in PYTHON_TYPES for word in words):
        return ()
    return tuple(accepted for word in words for accepted in PYTHON_TYPES[word])

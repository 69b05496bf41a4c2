"""Flags of the command line to values, without ever evaluating them as code."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config_checks import documented_keys, is_text
from recbole_mmm4rec.host.property_files import Key, PropertyLoader

TRUE = "True"
NULLS = frozenset({"~", "null", "none", ""})
NAMES = frozenset({"model", "dataset", "pretrained", "resume", "config_files", "data_path", "checkpoint_dir"})
"""Keys that are not given empty, as an unset shell variable is: another run would start. ``~`` is none."""


def parse(arguments: Sequence[str]) -> dict[str, str]:
    """``--key=value``, ``--key value`` and ``--flag`` to raw strings by key.

    Raises:
        UserError: an argument that is not a flag, a key given twice with different values, or an empty name.
    """
    flags: dict[str, str] = {}
    remaining = list(arguments)
    while remaining:
        key, value = _take(remaining)
        if not value and key in NAMES:
            raise UserError(f"command line: '{key}' is empty")
        if flags.get(key, value) != value:
            raise UserError(f"command line: '{key}' is given twice, as '{flags[key]}' and as '{value}'")
        flags[key] = value
    return flags


def _take(remaining: list[str]) -> tuple[str, str]:
    """Remove one flag, with its value, from the front."""
    argument = remaining.pop(0)
    key, equals, value = argument.removeprefix("--").partition("=")
    if not argument.startswith("--") or not key:
        raise UserError(f"command line: '{argument}' is not a flag; flags are written --key=value")
    if equals:
        return key, value
    if remaining and not remaining[0].startswith("--"):
        return key, remaining.pop(0)
    return key, TRUE


def refuse_beside(command: str, flags: Mapping[str, str], reasons: Mapping[str, str]) -> None:
    """Refuse flags that a command would ignore.

    Raises:
        UserError: one that has a reason.
    """
    for key in flags:
        if key in reasons:
            raise UserError(f"--{key} and --{command} do not go together: {reasons[key]}")


def typed_values(flags: dict[str, str], model: str | None, dataset: str | None) -> dict[str, Any]:
    """Raw strings to values: YAML, except that text stays text where a key is documented as text.

    So ``--user_inter_num_interval=[5,10]`` stays the string that RecBole expects, while ``--topk=[5,10]`` is
    a list and ``--seq_len=~`` is None.
    """
    keys = documented_keys(model or "", dataset or "")
    return {name: typed_value(raw, keys.get(name)) for name, raw in flags.items()}


def typed_value(raw: str, key: Key | None) -> Any:
    """One raw string to a value."""
    if raw.lower() in NULLS and not _is_choice(raw, key):
        return None
    if key is not None and is_text(key):
        return raw
    try:
        value = yaml.load(raw, Loader=PropertyLoader)
    except RecursionError:
        raise UserError(f"command line: a value is nested too deeply: {raw[:20]}...") from None
    except (yaml.YAMLError, ValueError):  # ValueError: a date that no calendar has
        return raw
    return value if isinstance(value, bool | int | float | list | dict) else raw


def _is_choice(raw: str, key: Key | None) -> bool:
    """Whether 'none' is a word that a key takes: ``--skip=none``."""
    return raw == "none" and key is not None and is_text(key) and key.default is not None

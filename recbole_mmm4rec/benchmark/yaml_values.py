"""Values of a YAML file, of the kind that their place expects, or one line with file and place."""

from collections.abc import Iterable, Mapping
from typing import Any

from recbole_mmm4rec.errors import UserError


def mapping(origin: str, place: str, value: Any) -> dict[str, Any]:
    """Keys and values; none where nothing is given. Raises UserError."""
    if value is not None and not isinstance(value, dict):
        raise UserError(f"{origin}: {place}: expected keys and values, found {value!r}")
    return {str(key): entry for key, entry in (value or {}).items()}


def list_of(origin: str, place: str, value: Any, kind: type) -> list[Any]:
    """A list of one type; a single value stands for a list of one. Raises UserError."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    for entry in entries:
        if not isinstance(entry, kind) or isinstance(entry, bool):
            raise UserError(f"{origin}: {place}: expected a {kind.__name__} in each place, found {entry!r}")
    return entries


def text(origin: str, place: str, value: Any) -> str | None:
    """A text or nothing. Raises UserError."""
    if value is not None and not isinstance(value, str):
        raise UserError(f"{origin}: {place}: expected a text, found {value!r}")
    return value


def refuse_unknown(origin: str, values: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse keys that nothing reads. Raises UserError."""
    for key in values:
        if key not in known:
            raise UserError(f"{origin}: unknown key '{key}'; known are {', '.join(known)}")

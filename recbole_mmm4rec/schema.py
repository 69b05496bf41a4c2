"""Values read from a file, checked against a pydantic model: one line of error that names file and key."""

from collections.abc import Mapping
from reprlib import Repr
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from recbole_mmm4rec.errors import UserError

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number not below {ge}",
    "less_than_equal": "a number not above {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "is_instance_of": "a {class}",
    "model_attributes_type": "keys and values",
}
"""What pydantic's kinds of error expected, in words."""

_short = Repr()
_short.maxlevel = 2
_short.maxstring = _short.maxother = 60

Checked = TypeVar("Checked", bound=BaseModel)


class Strict(BaseModel):
    """Keys and values of a file: no conversion of types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def as_list(value: Any) -> Any:
    """A single value means a list of one, an empty value an empty list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _text_keys(value: Any) -> Any:
    if value is None:
        return {}
    return {str(key): entry for key, entry in value.items()} if isinstance(value, dict) else value


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Names = Annotated[list[str], BeforeValidator(as_list)]
"""Texts; a single value means a list of one, an empty value an empty list."""
Numbers = Annotated[list[int], BeforeValidator(as_list)]
"""Whole numbers, in the same way."""
Label = Annotated[str, BeforeValidator(_as_text)]
"""A text that people write; a number such as 50 is one too, nothing is an empty text."""
Values = Annotated[dict[str, Any], BeforeValidator(_text_keys)]
"""Keys and values of any kind; keys such as numbers become text, nothing becomes an empty dictionary."""


def checked(model: type[Checked], origin: str, value: Any) -> Checked:
    """``value`` as an instance of a pydantic model.

    Args:
        model: the schema.
        origin: what error messages call the place of the value: a file, or a file and a line.
        value: what was read.

    Raises:
        UserError: the first thing that is wrong, with its key.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError(f"{origin}: {first_fault(model, error)}") from error


def first_fault(model: type[BaseModel], error: ValidationError) -> str:
    """The first thing that is wrong, as a line: its key, what was expected and what was found."""
    return " ".join(_line(model, error.errors(include_url=False)[0]).split())


def shortened(value: Any) -> str:
    """A value for a line of error, cut where it is long or deep."""
    return _short.repr(value)


def _line(model: type[BaseModel], error: ErrorDetails) -> str:
    """Key, what was expected and what was found."""
    kind, place, context = error["type"], error["loc"], error.get("ctx", {})
    *above, last = place or ("",)
    if kind == "missing":
        return f"{_at(above)}'{last}' is missing"
    if kind == "extra_forbidden":
        known = "" if above else f"; known are {', '.join(model.model_fields)}"
        return f"{_at(above)}unknown key '{last}'{known}"
    if kind == "invalid_key":
        return f"{_at(above)}expected a text as key, found {shortened(last)}"
    if kind == "value_error":
        return f"{_at(place)}{context['error']}"
    expected = context.get("expected") or _EXPECTED.get(kind, error["msg"]).format(**context)
    return f"{_at(place)}expected {expected}, found {shortened(error['input'])}"


def _at(place: Any) -> str:
    """``settings: entry 2: name: ``."""
    return "".join(f"entry {part + 1}: " if isinstance(part, int) else f"{part}: " for part in place)


def without_nothing(value: Any) -> Any:
    """A mapping without the keys whose value is None, so that these get their defaults."""
    return {key: v for key, v in value.items() if v is not None} if isinstance(value, Mapping) else value

"""Text columns -> typed columns; what cannot be read becomes null instead of ending the run."""

import pyarrow as pa
import pyarrow.compute as pc

from recbole_mmm4rec.prepare.sources.amazon_fields import text_of

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
MILLISECONDS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Factor from a time unit to milliseconds."""
_CLOCK = r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?"
_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)"
_DATE = rf"^\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ]{_CLOCK}{_ZONE}?)?$"
_ZONED = "[T ].*[Z+-]"
_WIDEST = 9e15
"""Beyond this a float64 is no exact integer any more, and no time either."""


def as_text(column: pa.Array) -> pa.Array:
    """Return ``column`` as trimmed strings, lists joined; bytes that are not UTF-8 become null."""
    if pa.types.is_nested(column.type):
        column = pa.array([text_of(value) for value in column.to_pylist()], pa.string())
    if not pa.types.is_binary(column.type):
        return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    try:
        return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in column.to_pylist()], pa.string())


def as_number(column: pa.Array) -> pa.Array:
    """Return a column of any type as float64; what is no number becomes null."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return pc.cast(column, pa.float64(), safe=False)
    text = as_text(column)
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return pc.cast(pc.if_else(pc.match_substring_regex(text, _NUMBER), text, None), pa.float64())


def as_milliseconds(column: pa.Array, unit: str) -> pa.Array:
    """Return times as int64 milliseconds since 1970 (UTC); what cannot be one becomes null.

    ``unit``: s, ms, us or ns for numbers, ``date`` for timestamps and ISO 8601 texts.
    """
    if unit == "date" or pa.types.is_temporal(column.type):
        return _from_dates(column)
    # float64 is exact for today's microseconds and 256 ns wide for nanoseconds: no millisecond is lost
    numbers = pc.multiply(as_number(column), MILLISECONDS[unit])
    possible = pc.less(pc.abs(numbers), _WIDEST)
    return pc.cast(pc.round(pc.if_else(possible, numbers, None)), pa.int64(), safe=False)


def _from_dates(column: pa.Array) -> pa.Array:
    if pa.types.is_temporal(column.type):
        return pc.cast(pc.cast(column, pa.timestamp("ms"), safe=False), pa.int64())
    text = as_text(column)
    text = pc.if_else(pc.match_substring_regex(text, _DATE), text, None)
    text = pc.replace_substring_regex(text, r"(\.\d{3})\d+", r"\1")  # a finer fraction would be refused
    zoned = pc.match_substring_regex(text, _ZONED)
    local = _instants(pc.if_else(zoned, None, text), pa.timestamp("ms"))
    return pc.coalesce(_instants(pc.if_else(zoned, text, None), pa.timestamp("ms", "UTC")), local)


def _instants(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return int64 milliseconds; the few days that no calendar has (30 February) are sought by halving."""
    try:
        return pc.cast(pc.cast(text, kind), pa.int64())
    except pa.ArrowInvalid:
        half = len(text) // 2
        if not half:
            return pa.nulls(1, pa.int64())
        return pa.concat_arrays([_instants(text[:half], kind), _instants(text[half:], kind)])


def encodable(text: str) -> str:
    """Return ``text`` as UTF-8 can hold it: JSON may have lone surrogates ("\\ud83d"), which become "?"."""
    return text.encode("utf-8", "replace").decode()


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode().strip()
    except UnicodeDecodeError:
        return None

"""Raw columns -> texts and numbers; what cannot be read becomes null instead of ending the run."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LARGEST = float(np.finfo(np.float32).max)
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"


def as_text(column: pa.Array) -> pa.Array:
    """Return ``column`` as trimmed strings, lists joined; bytes that are not UTF-8 become U+FFFD."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_nested(column.type):
        column = pa.array([text_of(value) for value in column.to_pylist()], pa.string())
    if _is_bytes(column.type):
        column = pa.array([_decoded(value) for value in column.to_pylist()], pa.string())
    return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))


def first_broken(column: pa.Array) -> tuple[int, int] | None:
    """Return (row, number of such rows) of the values with bytes that are not UTF-8; None without any."""
    if not _is_bytes(column.type):
        return None
    broken = [
        row for row, value in enumerate(column.to_pylist()) if value is not None and not _is_utf8(value)
    ]
    return (broken[0], len(broken)) if broken else None


def as_number(column: pa.Array) -> pa.Array:
    """Return a column of any type as float64; what is not a number becomes null."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return pc.cast(column, pa.float64(), safe=False)
    text = as_text(column)
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return pc.cast(pc.if_else(pc.match_substring_regex(text, _NUMBER), text, None), pa.float64())


def as_rating(column: pa.Array) -> pa.Array:
    """Return a column as :func:`as_number`; a number that is too large for float32 becomes null, too."""
    numbers = as_number(column)
    return pc.if_else(pc.greater(pc.abs(numbers), _LARGEST), None, numbers)


def encodable(text: str) -> str:
    """Return ``text`` as UTF-8 can hold it: JSON may have lone surrogates ("\\ud83d"), which become "?"."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def text_of(value: Any, joint: str = " ") -> str:
    """One string of a text, a number, or an arbitrarily nested list of them; empty for anything else."""
    parts, waiting = [], [value]
    while waiting:  # without recursion, as JSON may be nested deeper than Python recurses
        part = waiting.pop()
        if isinstance(part, list):
            waiting.extend(reversed(part))
        elif isinstance(part, str):
            parts.append(part)
        elif isinstance(part, int | float) and not isinstance(part, bool):
            parts.append(str(part))
    return joint.join(filter(None, parts))

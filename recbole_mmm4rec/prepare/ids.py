"""The one rule by which a raw value becomes the id of a user or an item, whatever file it comes from.

=====================================================  ==================================================
raw value                                              id
=====================================================  ==================================================
text                                                   the text, trimmed, in Unicode's NFC; ``007`` and
                                                       spellings such as ``NA``, ``null``, ``nan`` stay
integer                                                its digits
number with a zero fraction: ``123.0``,                the integer's digits, for a float column and for
``4.006381333931e+12``                                 text of this form
other number: ``12.5``                                 its text
true, false                                            ``true``, ``false``
16 bytes of fixed length                               the UUID's text
other bytes                                            the UTF-8 text; not an id where they are none
null, NaN, blank text                                  missing
float beyond what its type holds exactly (2**53 for    not an id: its last digits are lost
64 bits), infinity
``4.00638E+12``: more than five digits left out        not an id: a shortened number
list or mapping                                        not an id
control character, tab or line break inside            not an id
=====================================================  ==================================================

Rows with a missing id or a value that is not an id are skipped and counted, never guessed.
"""

import math
import re
import unicodedata
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PAD = "[PAD]"
"""RecBole's token of an empty position; no user or item may have it."""
NULL_WORDS = ("NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "None", "<NA>", "#N/A")
"""Texts by which other programs mean a missing value. They stay ids, and are reported."""
NO_TEXT, LOST_DIGITS, SHORTENED, CONTROL = (
    "is not text in UTF-8 or a number",
    "is a float too large to be exact (its last digits are lost)",
    "is a shortened number (export the column as text)",
    "holds a control character, tab or line break",
)
_ZERO_FRACTION = r"^-?(0|[1-9]\d*)\.0+$"
_EXPONENT = r"^-?\d(\.\d+)?[eE]\+\d{1,3}$"
_NUMBER = f"{_ZERO_FRACTION}|{_EXPONENT}"
_CONTROL = r"[\x00-\x1f\x7f]"
_UUID_BYTES = 16
_LEFT_OUT = 5
"""So many last digits of a number in exponent form may be zeros that were left out; more are a rounding."""
_EXACT = {16: 2**11, 32: 2**24, 64: 2**53}
"""Largest integer up to which a float of so many bits holds every integer."""
Spelled = tuple[str | None, str | None]


def id_text(value: Any) -> Spelled:
    """Return (id, None), (None, fault) for a value that is not an id, or (None, None) for a missing one."""
    if value is None:
        return None, None
    if isinstance(value, float | np.floating):
        return _of_float(float(value), _EXACT[64])
    if isinstance(value, bool | np.bool_):
        return ("true" if value else "false"), None
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None, NO_TEXT
    if isinstance(value, dict | list | tuple | set | np.ndarray):
        return None, NO_TEXT
    return _of_text(str(value))


def as_ids(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return ids and faults of a column of any type, both strings: what ``id_text`` says of each value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_ids(column.dictionary_decode())
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == _UUID_BYTES:
        texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in column.to_pylist()]
        return pa.array(texts, pa.string()), pa.nulls(len(column), pa.string())
    if pa.types.is_integer(kind):
        return pc.cast(column, pa.string()), pa.nulls(len(column), pa.string())
    if pa.types.is_floating(kind):
        return _of_floats(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_texts(pc.cast(column, pa.string()))
    if pa.types.is_temporal(kind):
        return _of_texts(pc.cast(column, pa.string()))
    return _each(column.to_pylist())


def _each(values: list[Any]) -> tuple[pa.Array, pa.Array]:
    pairs = [id_text(value) for value in values]
    ids, faults = ([pair[side] for pair in pairs] for side in (0, 1))
    return pa.array(ids, pa.string()), pa.array(faults, pa.string())


def _of_float(value: float, exact: int) -> Spelled:
    if math.isnan(value):
        return None, None
    if math.isinf(value) or (value.is_integer() and abs(value) > exact):
        return None, LOST_DIGITS
    return (str(int(value)) if value.is_integer() else repr(float(value))), None


def _of_text(text: str) -> Spelled:
    text = text.strip()
    if not text:
        return None, None
    if text.isascii() and text.isalnum():  # most ids: nothing of what follows applies
        return text, None
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return None, NO_TEXT
    if re.search(_CONTROL, text):
        return None, CONTROL
    if re.search(_ZERO_FRACTION, text, re.ASCII):
        return _whole(text)
    if re.search(_EXPONENT, text, re.ASCII):
        return _from_exponent(text)
    return unicodedata.normalize("NFC", text), None


def _whole(text: str) -> Spelled:
    number = int(text.partition(".")[0])
    return (None, LOST_DIGITS) if abs(number) > _EXACT[64] else (str(number), None)


def _from_exponent(text: str) -> Spelled:
    mantissa, _, exponent = text.lower().partition("e+")
    value = Decimal(mantissa).scaleb(int(exponent))
    if abs(value) > _EXACT[64]:
        return None, LOST_DIGITS
    if value != int(value):
        return text, None
    if int(exponent) - len(mantissa.partition(".")[2]) > _LEFT_OUT:
        return None, SHORTENED
    return str(int(value)), None


def _of_floats(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    exact = _EXACT[column.type.bit_width]
    values = np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    whole = np.isfinite(values) & (np.abs(values) <= exact) & (np.floor(values) == values)
    ids = pc.cast(pa.array(np.where(whole, values, 0).astype(np.int64), mask=~whole), pa.string())
    if whole.all():
        return ids, pa.nulls(len(column), pa.string())
    pairs = [
        (None, None) if plain else _of_float(value, exact) for value, plain in zip(values, whole, strict=True)
    ]
    others = pa.array([text for text, _ in pairs], pa.string())
    return pc.coalesce(ids, others), pa.array([fault for _, fault in pairs], pa.string())


def _of_texts(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    control = pc.fill_null(pc.match_substring_regex(text, _CONTROL), False)
    fault = pc.if_else(control, CONTROL, pa.scalar(None, pa.string()))
    text = pc.if_else(control, pa.scalar(None, pa.string()), text)
    # Arrow's own utf8_normalize does not compose; the few texts that are not ASCII go value by value
    odd = pc.or_(pc.invert(pc.string_is_ascii(text)), pc.match_substring_regex(text, _NUMBER))
    odd = pc.fill_null(odd, False)
    if not pc.any(odd).as_py():
        return text, fault
    ids, faults = _each(text.filter(odd).to_pylist())
    return pc.replace_with_mask(text, odd, ids), pc.replace_with_mask(fault, odd, faults)

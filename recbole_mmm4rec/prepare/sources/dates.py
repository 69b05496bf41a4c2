"""The date of an interaction as people write it -> milliseconds since 1970 (UTC).

Accepted: ``2024-01-31``, ``2024/1/31``, ``20240131``, ``31.01.2024``, ``01/31/2024``, ``31 Jan 2024``,
``Jan 31, 2024``, each with or without a time (``08:30``, ``08:30:15.25``, ``8:30 PM``, ``083015``) and a zone
(``Z``, ``UTC``, ``GMT``, ``+02:00``, ``+0000 UTC``); without a zone it is UTC. ``03/05/2024`` may be a day in
May or in March: it is refused unless ``date_order`` (dmy or mdy) says which.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from recbole_mmm4rec.errors import UserError

ACCEPTED = (
    "2024-01-31, 20240131, 31.01.2024, 01/31/2024, 31 Jan 2024, each also with 08:30:15 and Z, UTC or +02:00"
)
ORDERS = ("dmy", "mdy")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_DATES = (
    r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
    r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4})",
    r"(?:[A-Za-z]{3,9},? )?(?P<d>\d{1,2})[ -](?P<name>[A-Za-z]{3,9})\.?,?[ -](?P<y>\d{4})",
    r"(?:[A-Za-z]{3,9},? )?(?P<name>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})",
)
_CLOCK = (
    r"(?:(?:[T ]|, )?(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?"
    r"|(?:[T ]|, )(?P<H2>\d{1,2})(?::(?P<M2>\d{2})(?::(?P<S2>\d{2})(?:[.,](?P<f2>\d+))?)?)?"
    r"(?: ?(?P<half2>[AaPp])\.?[Mm]\.?)?)"
)
_ZONE = r" ?(?:(?P<sign>[+-])(?P<zh>\d{2}):?(?P<zm>\d{2})?)? ?(?:Z|UTC|GMT)?"
_FORMS = tuple(re.compile(rf"{date}(?:{_CLOCK}{_ZONE}| ?(?:UTC|GMT|Z))?", re.ASCII) for date in _DATES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AmbiguousDateError(UserError):
    """A date whose day and month cannot be told apart; ``text`` is that date."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"time {text!r}: day or month first? --date_order=dmy or --date_order=mdy says which"
        )
        self.text = text


@lru_cache(maxsize=1 << 14)
def milliseconds(text: str, order: str | None) -> int | None:
    """Return the moment that ``text`` names, None where it is not a date of an accepted form.

    Raises ``UserError`` for a date whose day and month cannot be told apart, unless ``order`` tells.
    """
    match = next((found for form in _FORMS if (found := form.fullmatch(text))), None)
    if match is None:
        return None
    parts = match.groupdict()
    try:
        year, month, day = _day(parts, order, text)
        hour, minute, second, fraction = _clock(parts)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _offset(parts)
    except AmbiguousDateError:
        raise
    except (ValueError, OverflowError):
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1) + fraction


def _day(parts: dict[str, str | None], order: str | None, text: str) -> tuple[int, int, int]:
    year = int(parts["y"] or 0)
    if parts.get("name"):
        return year, _month(parts["name"] or ""), int(parts["d"] or 0)
    if not parts.get("a"):
        return year, int(parts["m"] or 0), int(parts["d"] or 0)
    first, second = int(parts["a"] or 0), int(parts["b"] or 0)
    if order is None and first <= 12 and second <= 12 and first != second:
        raise AmbiguousDateError(text)
    day_first = order == "dmy" or (order is None and first > 12)
    return (year, second, first) if day_first else (year, first, second)


def _month(name: str) -> int:
    short = name.lower()
    if short in _FULL:
        return _FULL.index(short) + 1
    return _MONTHS.index("sep" if short == "sept" else short) + 1


def _clock(parts: dict[str, str | None]) -> tuple[int, int, int, int]:
    hour, minute, second = (int(parts[key] or parts[f"{key}2"] or 0) for key in "HMS")
    fraction = int(((parts["f2"] or "") + "000")[:3])
    half = (parts["half2"] or "").lower()
    if half and not 1 <= hour <= 12:
        raise ValueError("a 12-hour clock")
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return hour, minute, second, fraction


def _offset(parts: dict[str, str | None]) -> timedelta:
    hours, minutes = int(parts["zh"] or 0), int(parts["zm"] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("a zone beyond a day")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if parts["sign"] == "-" else offset

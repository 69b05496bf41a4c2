"""Which unit would read a time that the chosen one does not."""

from recbole_mmm4rec.prepare.sources.dates import milliseconds
from recbole_mmm4rec.times import EARLIEST, LATEST, SECONDS, day, likely_unit


def mixed_advice(text: str, unit: str) -> str:
    """Return a hint for a time of another unit in a column whose other times are in ``unit``."""
    if not unit_advice(text, unit):
        return ""
    others = "dates" if unit == "date" else f"in {unit}"
    return f" (other times of this column are {others}; write all of them alike)"


def unit_advice(text: str, unit: str) -> str:
    """Return a hint such as `` (time_unit is s; --time_unit=ms makes it 2020-09-13)``, or an empty text."""
    found = _as_date(text) or _as_number(text)
    if found is None or found[0] == unit:
        return ""
    return f" (time_unit is {unit}; --time_unit={found[0]} makes it {day(found[1])})"


def _as_date(text: str) -> tuple[str, float] | None:
    # either order will do: it is asked for when the unit is right
    moment = milliseconds(text.strip(), "dmy") or milliseconds(text.strip(), "mdy")
    return ("date", moment / 1000) if moment is not None and EARLIEST <= moment / 1000 < LATEST else None


def _as_number(text: str) -> tuple[str, float] | None:
    try:
        value = float(text)
    except ValueError:
        return None
    unit = likely_unit(value)
    return None if unit is None else (unit, value * SECONDS[unit])

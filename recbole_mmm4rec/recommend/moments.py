"""Times of any form -> seconds since 1970."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.sources.dates import ACCEPTED, AmbiguousDateError, milliseconds
from recbole_mmm4rec.times import likely_unit, possible


def as_seconds(values: Any) -> np.ndarray:
    """(n,) float64 seconds since 1970 (UTC) of numbers of seconds, dates, or texts that name a date.

    Raises:
        UserError: the first value that is not a time from 1970 to 2099; a unit it could be in is named.
    """
    column = pd.Series(values)
    if pd.api.types.is_datetime64_any_dtype(column):
        seconds = _of_dates(column)
    elif pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        seconds = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        seconds = np.array([_second(value) for value in column], dtype=np.float64)
    wrong = np.flatnonzero(~possible(seconds))
    if len(wrong):
        raise UserError(_complaint(column.iloc[wrong[0]]))
    return seconds


def _of_dates(column: pd.Series) -> np.ndarray:
    utc = pd.to_datetime(column, utc=True).astype("datetime64[ns, UTC]")
    return np.where(utc.isna(), np.nan, utc.astype("int64").to_numpy() / 1e9)


def _second(value: Any) -> float:
    if isinstance(value, str):
        return _of_text(value)
    if value is None or value is pd.NaT or isinstance(value, bool):
        return np.nan
    try:
        return float(_of_dates(pd.Series([value]))[0]) if hasattr(value, "year") else float(value)
    except (TypeError, ValueError):
        return np.nan


def _of_text(value: str) -> float:
    try:
        moment = milliseconds(value.strip(), None)
    except AmbiguousDateError:  # its line names a flag of prepare
        raise UserError(
            f"{value!r}: day or month first? write dates as 2024-01-31, or give seconds since 1970"
        ) from None
    return np.nan if moment is None else moment / 1000


def _complaint(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value  # numpy 2 names its type in the text
    if isinstance(value, int | float) and not isinstance(value, bool):
        unit = likely_unit(float(value))
        if unit not in (None, "s"):
            return f"times are seconds since 1970 or dates; {value} looks like {unit}"
    return f"{value!r} is not a time: seconds since 1970, or a date such as {ACCEPTED}"

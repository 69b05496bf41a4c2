"""How a recommender tells what it did not do, without stopping: one warning that a program can catch."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.errors import UserError

ON_UNKNOWN = ("warn", "raise", "ignore")


class RecommendWarning(UserWarning):
    """Something that was asked for is not in the result; the message counts it."""


_listed: ContextVar[list[str] | None] = ContextVar("listed", default=None)


def tell(message: str) -> None:
    """Warn once per call, at the caller's line; within :func:`listed` the message joins its list instead."""
    messages = _listed.get()
    if messages is None:
        warnings.warn(message, RecommendWarning, stacklevel=4)
    else:
        messages.append(message)


@contextmanager
def listed() -> Iterator[list[str]]:
    """What is reported in this thread within it; filters of warnings would be shared by all threads."""
    messages: list[str] = []
    token = _listed.set(messages)
    try:
        yield messages
    finally:
        _listed.reset(token)


def check_on_unknown(value: str) -> None:
    """Refuse another way of treating unknown items than the three.

    Raises:
        UserError: names the ways.
    """
    if value not in ON_UNKNOWN:
        raise UserError(f"on_unknown: {value!r} is not one of {', '.join(ON_UNKNOWN)}")


def treat_unknown(unknown: Offenders, where: str, on_unknown: str) -> None:
    """Tell, refuse or ignore ids that the model does not know.

    Args:
        unknown: the ids.
        where: in which argument they stand.
        on_unknown: one of :data:`ON_UNKNOWN`.

    Raises:
        UserError: there are some and ``on_unknown`` is ``raise``.
    """
    if not unknown or on_unknown == "ignore":
        return
    message = f"{where}: the model does not know {unknown}"
    if on_unknown == "raise":
        raise UserError(message)
    tell(f"{message}; left out")

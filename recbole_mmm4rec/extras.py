"""Packages of the optional extras: whether they are there, and how to install them."""

import importlib.util
from collections.abc import Iterable

from recbole_mmm4rec.errors import UserError


def require_extra(extra: str, modules: Iterable[str], needed_by: str) -> None:
    """Look for the modules of an extra; nothing is imported.

    Args:
        extra: its name in ``pyproject.toml``.
        modules: what has to be there, by the names that are imported.
        needed_by: what asks for them, for the message.

    Raises:
        UserError: names the first module that is missing and the command that installs the extra.
    """
    for name in modules:
        if importlib.util.find_spec(name) is None:
            package = name.replace("_", "-")
            raise UserError(
                f"{needed_by} needs {package}, which is not installed: pip install 'recbole-mmm4rec[{extra}]'"
            )

"""Whether the installed Python, RecBole and libraries are those that this package works with.

pip cannot see to it: RecBole is installed without its own requirements, which name a Ray that current Pythons
cannot install, so that it is not one of ours in ``pyproject.toml``.
"""

import re
import sys
from functools import lru_cache
from importlib import metadata

from recbole_mmm4rec.errors import UserError

PYTHON = (3, 11), (3, 15)
LIBRARIES = {
    "recbole": ((1, 2), (1, 3)),
    "torch": ((2, 6), (3,)),
    "numpy": ((1, 26, 4), (3,)),
    "pandas": ((2, 2), (4,)),
}
"""The first release that works and the first one that is not supposed to."""

EXTRAS = {"hyperopt": ((0, 2, 7), (1,)), "ray": ((2, 50), (3,))}
"""The same of what only some flags need."""

COMMANDS = {"recbole": "pip install --no-deps recbole==1.2.1"}
SPELLED = {"ray": "ray[tune]"}
Range = tuple[tuple[int, ...], tuple[int, ...]]


@lru_cache(maxsize=1)
def check_requirements() -> None:
    """Look at versions; nothing is imported.

    Raises:
        UserError: something is missing, too old or too new; the line names it and the command that mends it.
    """
    found = tuple(sys.version_info[:3])
    if not _fits(found, PYTHON):
        wanted = f"Python {_text(PYTHON[0])} to 3.{PYTHON[1][1] - 1}"
        raise UserError(f"this is Python {_text(found)}, needed is {wanted}: python3.13 -m venv .venv")
    for name, limits in LIBRARIES.items():
        _check(name, limits, "this package")


def check_extra(name: str, flag: str) -> None:
    """Look at the version of an optional package; it is not imported.

    Args:
        name: ``hyperopt`` or ``ray``.
        flag: what asks for it.

    Raises:
        UserError: it is missing, too old or too new; the line names the flag and the command that mends it.
    """
    _check(name, EXTRAS[name], flag)


def _check(name: str, limits: Range, needed_by: str) -> None:
    wanted = f">={_text(limits[0])},<{_text(limits[1])}"
    command = COMMANDS.get(name, f"pip install '{SPELLED.get(name, name)}{wanted}'")
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        raise UserError(f"{needed_by} needs {name}, which is not installed: {command}") from None
    if not _fits(_numbers(version), limits):
        raise UserError(f"{needed_by} needs {name}{wanted}, installed is {version}: {command}")


def _fits(version: tuple[int, ...], limits: Range) -> bool:
    return limits[0] <= version < limits[1]


def _numbers(version: str) -> tuple[int, ...]:
    """``2.13.0+cpu`` as (2, 13, 0); what follows the numbers decides nothing here."""
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))

"""Warnings about the insides of ray 2.6.3 and RecBole 1.2.1, about which a user can do nothing."""

import os
import warnings

_OF_RAY = "pkg_resources is deprecated"
_VARIABLE, _RULE = "PYTHONWARNINGS", f"ignore:{_OF_RAY}"


def ignore_host_warnings() -> None:
    """Hide them in this process, which is one of the command line, and in those that it starts.

    A program that uses this package keeps the filters that it has.
    """
    warnings.filterwarnings("ignore", message=_OF_RAY)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")
    rules = [rule for rule in os.environ.get(_VARIABLE, "").split(",") if rule]
    if _RULE not in rules:  # a started process imports ray before it can call this function
        os.environ[_VARIABLE] = ",".join([*rules, _RULE])

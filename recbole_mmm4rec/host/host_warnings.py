"""Warnings about the insides of RecBole 1.2.1, about which a user can do nothing."""

import warnings

_READ_ONLY = "The given NumPy array is not writable"
"""RecBole makes tensors of the columns of pandas 3, which are read-only; nothing writes into them."""

_CHAINED = "A value is being set on a copy of a DataFrame"
"""RecBole fills gaps in a way that pandas 3 ignores; ``compatibility.py`` has filled them."""


def ignore_host_warnings() -> None:
    """Hide them in this process, which is one of the command line or one that it has started.

    A program that uses this package keeps the filters that it has.
    """
    warnings.filterwarnings("ignore", message=_READ_ONLY)
    warnings.filterwarnings("ignore", message=_CHAINED, module=r"recbole\.")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")

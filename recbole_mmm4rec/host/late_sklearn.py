"""RecBole's metrics without scikit-learn, until one of the three that need it is computed.

``recbole/evaluator/metrics.py``, lines 29 and 30, imports scikit-learn for AUC, MAE and RMSE: half a second
of every start, and hardly a run computes one of them.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

METRICS = "recbole.evaluator.metrics"
_PACKAGE, _SOURCE = "sklearn", "sklearn.metrics"
_NAMES = ("auc", "mean_absolute_error", "mean_squared_error")


def import_recbole_metrics() -> None:
    """Import RecBole's metrics, whose functions of scikit-learn import it on their first call.

    For a process of the command line, before it has other threads: while RecBole's module is imported, and no
    longer, another module stands under scikit-learn's name. Where RecBole's metrics or scikit-learn are there
    already, nothing is done.
    """
    if METRICS in sys.modules or _PACKAGE in sys.modules:
        return
    import_module("recbole.utils")  # torch, pandas and all else that the metrics import
    source = ModuleType(_SOURCE)
    vars(source).update({name: _late(name) for name in _NAMES})
    sys.modules |= {_PACKAGE: ModuleType(_PACKAGE), _SOURCE: source}
    try:
        import_module(METRICS)
    finally:
        del sys.modules[_PACKAGE], sys.modules[_SOURCE]


def _late(name: str) -> Callable[..., Any]:
    """A function of scikit-learn that is imported when it is called."""

    def function(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(_SOURCE), name)(*arguments, **options)

    return function

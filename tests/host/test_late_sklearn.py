"""RecBole without scikit-learn: the same values, no stand-in left behind, and models that need none."""

import subprocess
import sys

PROGRAM = """
import sys
from recbole_mmm4rec.host.late_sklearn import import_recbole_metrics
import_recbole_metrics()
import_recbole_metrics()
print("sklearn" in sys.modules, "sklearn.metrics" in sys.modules)
from recbole.evaluator import metrics
given = [0.0, 1.0, 3.0], [1.0, 1.0, 2.0]
late = [metrics.mean_absolute_error(*given), metrics.mean_squared_error(*given), metrics.sk_auc(*given)]
import sklearn.metrics as real
print(late == [real.mean_absolute_error(*given), real.mean_squared_error(*given), real.auc(*given)])
print(real.__file__.startswith(sys.modules["sklearn"].__path__[0]))
"""

SURROUNDING = """
import sys
import sklearn
from recbole_mmm4rec.host.late_sklearn import import_recbole_metrics
import_recbole_metrics()
print(sys.modules["sklearn"] is sklearn, "recbole.evaluator.metrics" in sys.modules)
from recbole.evaluator import metrics
print(metrics.sk_auc is sys.modules["sklearn.metrics"].auc)
"""

MODELS = """
import sys
from recbole_mmm4rec.host.late_sklearn import import_recbole_metrics
import_recbole_metrics()
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.host.fast_models import FAST
print(all(find_model(name) is kind for name, kind in FAST.items()), "sklearn" in sys.modules)
"""

PROCESS = """
import sys
from recbole_mmm4rec.cli.run_recbole import _call
from recbole_mmm4rec.quick_start.launch import Launch
from recbole_mmm4rec.quick_start.one_of_several import work
print("torch" in sys.modules, "recbole" in sys.modules)
"""


def _lines(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_values_are_those_of_scikit_learn_which_comes_when_it_is_called() -> None:
    assert _lines(PROGRAM) == ["False False", "True", "True"]


def test_a_scikit_learn_that_is_there_stays() -> None:
    assert _lines(SURROUNDING) == ["True False", "True"]


def test_the_faster_models_need_no_scikit_learn() -> None:
    assert _lines(MODELS) == ["True False"]


def test_what_a_process_is_started_with_loads_no_recbole() -> None:
    assert _lines(PROCESS) == ["False False"]

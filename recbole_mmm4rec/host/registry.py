"""Let RecBole's own functions find our models, datasets, trainers and property files by a model's name.

Runs of this package need none of it: they subclass what they change. It serves programs that call
RecBole's ``run_recbole`` or ``HyperTuning`` with one of our models after ``import recbole_mmm4rec``.

:func:`register` runs on that import and adds one finder to ``sys.meta_path``; RecBole is not imported. When
RecBole first asks for one of our models, :func:`install` replaces the four names listed in ``README.md``
beside this file. Built-in models behave as before.

A process started by ``spawn`` (several processes, Ray) begins without the plugin. Functions of this package
bring it along, because unpickling them imports it; RecBole's own functions need ``import recbole_mmm4rec``
at the top of the script, outside ``if __name__ == "__main__"``.
"""

import importlib
import sys
from collections.abc import Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from recbole_mmm4rec.host.catalogue import find_model, is_ours, our_models, registered_models
from recbole_mmm4rec.host.compatibility import make_compatible

HOST_PACKAGE = "recbole.model.sequential_recommender"
"""Where RecBole looks for a module called like the model in lower case."""


class ModelFinder(MetaPathFinder):
    """Finds our models under RecBole's module names; imports one only when it is asked for."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Spec of ``recbole.model.sequential_recommender.<name>`` for a model of ours, else None."""
        package, _, lower = fullname.rpartition(".")
        if package != HOST_PACKAGE:
            return None
        names = {name.lower(): name for name in [*our_models(), *registered_models()]}
        return ModuleSpec(fullname, ModelLoader(names[lower])) if lower in names else None


class ModelLoader(Loader):
    """A module that holds one model class."""

    def __init__(self, model: str) -> None:
        self.model = model

    def exec_module(self, module: ModuleType) -> None:
        """Import the model and make RecBole ready for it."""
        vars(module)[self.model] = find_model(self.model)
        install()


def register() -> None:
    """Plug our models into RecBole and repair it for current libraries. Calling it again changes nothing."""
    make_compatible()
    if not any(isinstance(finder, ModelFinder) for finder in sys.meta_path):
        sys.meta_path.append(ModelFinder())


def install() -> None:
    """Replace the names through which RecBole chooses properties, dataset and trainer of a model of ours."""
    config = importlib.import_module("recbole.config.configurator").Config
    if hasattr(config._load_internal_config_dict, "__wrapped__"):
        return
    _add_properties(config)
    _check_settings(config)
    _offer("recbole.data.dataset", "Dataset", "recbole_mmm4rec.data", "MultiModalDataset")
    _offer("recbole.trainer", "Trainer", "recbole_mmm4rec.training.trainer", "MultiModalTrainer")


def _add_properties(config: Any) -> None:
    """RecBole reads property files from its own installed folder only (configurator.py, line 231)."""
    load = config._load_internal_config_dict

    @wraps(load)
    def load_with_properties(self: Any, model: str, model_class: type, dataset: str) -> None:
        load(self, model, model_class, dataset)
        if is_ours(model_class):
            importlib.import_module("recbole_mmm4rec.host.config").add_properties(self)

    config._load_internal_config_dict = load_with_properties


def _check_settings(config: Any) -> None:
    """RecBole fills in its defaults without asking whether the values mean anything to the model."""
    set_defaults = config._set_default_parameters

    @wraps(set_defaults)
    def set_and_check(self: Any) -> None:
        if type(self) is not config or not is_ours(self.model_class):  # a run of ours has its own checks
            set_defaults(self)
            return
        importlib.import_module("recbole_mmm4rec.host.config").settle(self)
        set_defaults(self)
        checks = importlib.import_module("recbole_mmm4rec.host.value_checks")
        checks.check_values(self.model_class, self.final_config_dict)
        checks.check_of_our_runs(self.final_config_dict)

    config._set_default_parameters = set_and_check


def _offer(module: str, suffix: str, source: str, name: str) -> None:
    """Let ``module.<Model><suffix>`` be ``source.name`` for every model of ours.

    RecBole takes it if it is there (data/utils.py, line 44; utils/utils.py, line 99).
    """

    def attribute(requested: str) -> Any:
        models = {*our_models(), *registered_models()}
        if requested.endswith(suffix) and requested.removesuffix(suffix) in models:
            return getattr(importlib.import_module(source), name)
        raise AttributeError(f"module '{module}' has no attribute '{requested}'")

    vars(importlib.import_module(module))["__getattr__"] = attribute

"""Make RecBole find our models, datasets, trainers and property files by a model's name.

:func:`register` runs on ``import recbole_mmm4rec``. After it RecBole's own ``run_recbole``, ``HyperTuning``
and ``load_data_and_model`` accept our models; built-in models behave as before.

A process started by ``spawn`` (several processes, Ray) begins without the plugin. Functions of this package
bring it along, because unpickling them imports it; RecBole's own functions need ``import recbole_mmm4rec``
at the top of the script, outside ``if __name__ == "__main__"``.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.host.import_hooks import Hook, after_import

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
        package, _, name = fullname.rpartition(".")
        if package != HOST_PACKAGE:
            return None
        modules = {model.lower(): module for model, module in our_models().items()}
        return ModuleSpec(fullname, AliasLoader(modules[name])) if name in modules else None


class AliasLoader(Loader):
    """Loads a module as a view of another one: same classes, its own name and spec."""

    def __init__(self, source: str) -> None:
        self.source = source

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module with the names of its source."""
        source = vars(importlib.import_module(self.source))
        vars(module).update({name: value for name, value in source.items() if not name.startswith("__")})


def register() -> None:
    """Plug our models into RecBole. Calling it again changes nothing."""
    if any(isinstance(finder, ModelFinder) for finder in sys.meta_path):
        return
    # warnings about the insides of ray 2.6.3 and RecBole 1.2.1, about which a user can do nothing
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")
    sys.meta_path.append(ModelFinder())
    after_import(
        {
            "recbole.config.configurator": wrap_config,
            "recbole.data.dataloader.general_dataloader": _patch_full_ranking,
            "recbole.data.dataset": _offering("Dataset", "recbole_mmm4rec.data", "MultiModalDataset"),
            "recbole.trainer": _offering("Trainer", "recbole_mmm4rec.trainer", "MultiModalTrainer"),
            "recbole.trainer.trainer": lambda module: _compat().patch_trainers(module),
            "recbole.model.abstract_recommender": lambda module: _compat().patch_recommender(module),
            "recbole.model.sequential_recommender.sine": lambda _: _compat().undo_anomaly_mode(),
            "recbole.quick_start.quick_start": replace_loading,
        }
    )


def _compat() -> Any:
    return importlib.import_module("recbole_mmm4rec.host.compat")


def _patch_full_ranking(module: ModuleType) -> None:
    importlib.import_module("recbole_mmm4rec.host.seen_items").patch_full_ranking(module)


def _offering(suffix: str, source: str, name: str) -> Hook:
    """Let ``module.<Model><suffix>`` be ``source.name`` for every model of ours, imported on first use."""

    def hook(module: ModuleType) -> None:
        def attribute(requested: str) -> Any:
            if requested.endswith(suffix) and requested.removesuffix(suffix) in our_models():
                return getattr(importlib.import_module(source), name)
            raise AttributeError(f"module '{module.__name__}' has no attribute '{requested}'")

        vars(module)["__getattr__"] = attribute

    return hook


def wrap_config(module: ModuleType) -> None:
    """Let RecBole's ``Config`` add our layers in runs that are ours."""
    host = vars(module)["Config"]
    load, set_defaults = host._load_internal_config_dict, host._set_default_parameters

    @wraps(load)
    def load_with_properties(self: Any, model: str, model_class: type, dataset: str) -> None:
        load(self, model, model_class, dataset)
        layers = importlib.import_module("recbole_mmm4rec.config")
        if layers.managed(self):
            layers.add_properties(self)

    @wraps(set_defaults)
    def set_settled_defaults(self: Any) -> None:
        layers = importlib.import_module("recbole_mmm4rec.config")
        data_path = self.final_config_dict["data_path"]
        if layers.managed(self):
            layers.settle(self)
        set_defaults(self)
        if layers.managed(self):
            layers.place_dataset(self, data_path)

    host._load_internal_config_dict = load_with_properties
    host._set_default_parameters = set_settled_defaults


def replace_loading(module: ModuleType) -> None:
    """RecBole's ``load_data_and_model`` unpickles; ours reads plain checkpoints, of ours and of built-ins.

    The function's code is replaced, not its name, so that a name imported before the plugin works as well.
    """
    vars(module)["load_data_and_model"].__code__ = _load_data_and_model.__code__


def _load_data_and_model(model_file: str) -> tuple[Any, ...]:
    from recbole_mmm4rec.quick_start.loading import load_data_and_model

    return load_data_and_model(model_file)

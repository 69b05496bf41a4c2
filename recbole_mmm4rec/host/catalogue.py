"""Which models exist, by name: ours, those that other packages register, and RecBole's.

Names are listed without importing a model, so that ``--help`` stays fast.
"""

import difflib
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole_mmm4rec import model as model_package
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.property_files import Key, properties_path, read_keys, recbole_properties_path

PLUGINS = "recbole_mmm4rec.plugins"
"""Entry-point group of functions without arguments that register what their package adds."""

FAST, ORIGINAL = "fast", "original"
"""Values of the key ``recbole_code``: which classes compute some of RecBole's models."""

UNDOCUMENTED_MODELS = ("Random",)
"""Models of RecBole that have no property file."""


@dataclass(frozen=True)
class Registered:
    """A model of another package.

    Attributes:
        target: the class, or ``"package.module:Class"``, which is imported on first use.
        keys: its properties by name.
    """

    target: type | str
    keys: dict[str, Key]

    def load(self) -> type:
        """The class."""
        if isinstance(self.target, type):
            return self.target
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)


_registered: dict[str, Registered] = {}


def register_model(model: type | str, properties: str | Path | Mapping[str, Any] | None = None) -> None:
    """Make a model of another package available by its name, in every command.

    Registering the same model again replaces its properties.

    Args:
        model: a subclass of :class:`~recbole_mmm4rec.model.base.MultiModalRecommender` or of one of RecBole's
            recommenders; or ``"package.module:Class"``, which keeps ``--help`` fast.
        properties: default values of its keys: a YAML file, in which a comment ``# (type) meaning`` beside a
            key serves the checks and the help, or a mapping.

    Raises:
        UserError: the name belongs to one of our models or RecBole's, or the file does not exist.
    """
    name = model.__name__ if isinstance(model, type) else model.rpartition(":")[2]
    if name in model_package.MODELS or name in recbole_models():
        raise UserError(f"register_model: '{name}' is the name of a model that exists already")
    if isinstance(model, str) and ":" not in model:
        raise UserError(f"register_model: '{model}' is not of the form 'package.module:Class'")
    _registered[name] = Registered(model, _keys(properties))


def _keys(properties: str | Path | Mapping[str, Any] | None) -> dict[str, Key]:
    if isinstance(properties, str | Path):
        if not Path(properties).is_file():
            raise UserError(f"register_model: property file '{properties}' does not exist")
        return read_keys(Path(properties))
    return {name: Key(name, value, "", "") for name, value in (properties or {}).items()}


@lru_cache(maxsize=1)
def load_plugins() -> None:
    """Call every plugin of the installed packages, once per process; a broken one is left out."""
    for point in entry_points(group=PLUGINS):
        try:
            point.load()()
        except Exception as error:
            getLogger().warning(f"plugin '{point.name}' ({point.value}) failed: {error!r}; it is left out")


def registered_models() -> dict[str, Registered]:
    """Models of other packages by name."""
    load_plugins()
    return dict(_registered)


def our_models() -> dict[str, str]:
    """Class name -> module of every model of ours; nothing is imported."""
    return {name: f"{model_package.__name__}.{module}" for name, module in model_package.MODELS.items()}


def recbole_models() -> list[str]:
    """Class names of RecBole's own models that have a file in the installed RecBole."""
    properties = recbole_properties_path()
    files = {path.stem for path in (properties.parent / "model").glob("*/*.py")}
    names = {path.stem for path in (properties / "model").glob("*.yaml")} | set(UNDOCUMENTED_MODELS)
    return sorted(name for name in names if name.lower() in files)


def known_models() -> list[str]:
    """Every name that ``--model`` takes."""
    return [*our_models(), *registered_models(), *recbole_models()]


def is_ours(model_class: type) -> bool:
    """Whether a model class belongs to this package or is registered with it."""
    if model_class.__module__.startswith(f"{model_package.__name__}."):
        return True
    registered = registered_models().get(model_class.__name__)
    return registered is not None and registered.target in (
        model_class,
        f"{model_class.__module__}:{model_class.__qualname__}",
    )


def model_keys(name: str) -> dict[str, Key]:
    """The keys of a model's property file, ours or a registered one's; RecBole's has none here."""
    registered = registered_models().get(name)
    return registered.keys if registered else read_keys(properties_path() / "model" / f"{name}.yaml")


def find_model(name: str, recbole_code: str = FAST) -> type:
    """The model class of that name; mended where RecBole's does not compute what it documents.

    Args:
        name: of a model of ours, of another package's or of RecBole's.
        recbole_code: 'original': RecBole's own class also of a model that has a faster one here.

    Raises:
        UserError: no such model (near names are named), or a package that the model needs is missing.
    """
    if name not in known_models():
        raise UserError(f"unknown model '{name}'{near(name, known_models())}")
    try:
        if name in our_models():
            return getattr(model_package, name)
        if name in registered_models():
            return registered_models()[name].load()
        from recbole.utils import get_model

        with anomaly_mode_kept():
            return _replacement(name, recbole_code) or get_model(name)
    except ModuleNotFoundError as error:
        raise UserError(f"model '{name}' needs the package '{error.name}', which is not installed") from error


@contextmanager
def anomaly_mode_kept() -> Iterator[None]:
    """Importing RecBole's SINE (sine.py, line 25) makes PyTorch check every gradient, at twice the time.

    Python imports it with the package of RecBole's sequential models.
    """
    import torch

    before = torch.is_anomaly_enabled()
    try:
        yield
    finally:
        torch.autograd.set_detect_anomaly(before)


def _replacement(name: str, recbole_code: str) -> type | None:
    """What stands in for a model of RecBole.

    Modules are imported only when a model of RecBole is asked for, and the faster models first: with the
    others comes all of RecBole's package of general models, and scikit-learn too, a second of every start.
    """
    if recbole_code != ORIGINAL:
        fast = importlib.import_module("recbole_mmm4rec.host.fast_models").FAST
        if name in fast:
            return fast[name]
    return importlib.import_module("recbole_mmm4rec.host.mended_models").MENDED.get(name)


def near(name: str, known: list[str]) -> str:
    """``; did you mean A, B?`` for the known names nearest to a name, whatever their case; or nothing."""
    lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.55)
    return f"; did you mean {', '.join(lower[match] for match in matches)}?" if matches else ""

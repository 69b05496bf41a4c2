"""Which models exist, ours and RecBole's, by name, without importing them."""

import ast
import difflib
import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path

from recbole_mmm4rec import model as model_package
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.property_files import recbole_properties_path

UNDOCUMENTED_MODELS = ("Random",)
"""Models of RecBole that have no property file."""


def our_models() -> dict[str, str]:
    """Class name -> module of every model of ours.

    A file of ``recbole_mmm4rec/model`` holds a model when it defines a class whose name, lower-cased,
    is the file's name without underscores. Files are parsed, not imported, so this takes milliseconds.
    """
    models = {}
    for folder in model_package.__path__:
        for info in pkgutil.iter_modules([folder]):
            name = _model_class(Path(folder) / f"{info.name}.py")
            if name:
                models[name] = f"{model_package.__name__}.{info.name}"
    return models


def _model_class(path: Path) -> str | None:
    """Name of the model class in a file, None where there is none."""
    return _parsed(path, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(maxsize=256)
def _parsed(path: Path, changed: int) -> str | None:  # noqa: ARG001
    flat = path.stem.replace("_", "")
    classes = (node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef))
    return next((name for name in classes if name.lower() == flat), None)


def recbole_models() -> list[str]:
    """Class names of RecBole's own models that have a file in the installed RecBole."""
    properties = recbole_properties_path()
    files = {path.stem for path in (properties.parent / "model").glob("*/*.py")}
    names = {path.stem for path in (properties / "model").glob("*.yaml")} | set(UNDOCUMENTED_MODELS)
    return sorted(name for name in names if name.lower() in files)


def is_ours(model_class: type) -> bool:
    """Whether a model class belongs to this package."""
    return model_class.__module__.startswith(f"{model_package.__name__}.")


def find_model(name: str) -> type:
    """The model class of that name, ours or RecBole's; mended where RecBole's does not compute what it says.

    Raises:
        UserError: no such model (near names are named), or a package that the model needs is missing.
    """
    ours = our_models()
    if name not in ours and name not in recbole_models():
        raise UserError(f"unknown model '{name}'{near(name, [*ours, *recbole_models()])}")
    try:
        if name in ours:
            return getattr(importlib.import_module(ours[name]), name)
        from recbole.utils import get_model

        model = get_model(name)
        return _mended().get(name, model)
    except ModuleNotFoundError as error:
        raise UserError(f"model '{name}' needs the package '{error.name}', which is not installed") from error


def _mended() -> dict[str, type]:
    """Imported only when a model of RecBole is asked for: it imports several of them."""
    return importlib.import_module("recbole_mmm4rec.host.mended_models").MENDED


def near(name: str, known: list[str]) -> str:
    """``; did you mean A, B?`` for the known names nearest to a name, whatever their case; or nothing."""
    lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.55)
    return f"; did you mean {', '.join(lower[match] for match in matches)}?" if matches else ""

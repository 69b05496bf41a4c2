"""Multi-modal, transferable sequential recommendation for RecBole.

``run`` trains and evaluates a model, ``load`` makes a :class:`Recommender` of its checkpoint,
``load_data_and_model`` brings it back with its data, ``register_model`` adds one of another package; the
model classes are here too. Importing the package makes RecBole accept its models by
name (:mod:`recbole_mmm4rec.host.registry`) and imports neither RecBole nor torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recbole_mmm4rec.host.catalogue import register_model
from recbole_mmm4rec.host.registry import register
from recbole_mmm4rec.host.requirements import check_requirements
from recbole_mmm4rec.model import MODELS

if TYPE_CHECKING:
    from recbole_mmm4rec.quick_start.loading import load_data_and_model
    from recbole_mmm4rec.quick_start.whole_run import run
    from recbole_mmm4rec.recommend.loading import load
    from recbole_mmm4rec.recommend.recommender import Recommender

__version__ = "0.2.0"

_PLACES = {
    "run": "recbole_mmm4rec.quick_start.whole_run",
    "load": "recbole_mmm4rec.recommend.loading",
    "Recommender": "recbole_mmm4rec.recommend.recommender",
    "load_data_and_model": "recbole_mmm4rec.quick_start.loading",
} | dict.fromkeys(MODELS, "recbole_mmm4rec.model")
"""Names that are imported on first use, as they need torch."""

__all__ = ["Recommender", "load", "load_data_and_model", "register", "register_model", "run", *MODELS]

register()


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    check_requirements()
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

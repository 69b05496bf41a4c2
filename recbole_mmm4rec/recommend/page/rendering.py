"""The page's template, style and script as one HTML text that needs no other file."""

from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from recbole_mmm4rec.recommend.recommender import Recommender

_PACKAGE = "recbole_mmm4rec.recommend.page"


def rendered(data: dict[str, Any]) -> str:
    """The page.

    Args:
        data: JSON values for the script: ``model``, ``items`` (their number), ``modalities`` and ``live``;
            of a page that is not live also ``users`` and ``catalogue``, see
            :mod:`~recbole_mmm4rec.recommend.page.static_page`.
    """
    style, script = (_template(name).render() for name in ("page.css", "page.js"))
    return _template("page.html.j2").render(
        model=data["model"],
        live=data["live"],
        style=Markup(style),
        script=Markup(script),
        data=htmlsafe_json_dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False),
    )


def live_page(recommender: Recommender) -> str:
    """The page that asks the service it came from; titles and pictures are the service's."""
    return rendered(facts(recommender) | {"live": True})


def facts(recommender: Recommender) -> dict[str, Any]:
    """What a page says of the model."""
    return {
        "model": recommender.blueprint.name,
        "items": len(recommender.items),
        "modalities": list(recommender.catalogue.features),
    }


@lru_cache
def _template(name: str) -> Any:
    environment = Environment(
        loader=PackageLoader(_PACKAGE, ""),
        autoescape=lambda name: name is not None and name.endswith(".j2"),
        undefined=StrictUndefined,
    )
    return environment.get_template(name)

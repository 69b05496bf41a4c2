"""Requests that work, for the OpenAPI document: with items of the model that is served."""

from __future__ import annotations

from typing import Any

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.recommend.recommender import Recommender

_MOMENT = 1_500_000_000


def examples(recommender: Recommender) -> dict[str, dict[str, dict[str, Any]]]:
    """Path -> name -> body of a request."""
    items = [str(item) for item in recommender.items[:3]]
    first, k = items[0], min(3, len(recommender.items))
    history: dict[str, Any] = {"history": items}
    if recommender.scorer.layout.time is not None:
        history["times"] = [_MOMENT + 60 * place for place in range(len(items))]
    several = [{"user": "ann", **history}, {"user": "bob", **history}]
    searches = {
        "like an item": {"like": [first], "k": k},
        "like it, for me": {**history, "like": [first], "k": k},
    }
    if TEXT in recommender.catalogue.features:
        searches["words"] = {"text": "red wooden toy", "k": k}
    return {
        "/recommend": {
            "a history": {**history, "k": k},
            "several histories": {"histories": several, "k": k},
            "categories": {**history, "k": k, "categories": {first: "toys"}, "per_category": 1},
            "filters": {**history, "k": 1, "exclude_seen": False, "deny": [first]},
        },
        "/similar": {"an item": {"items": [first], "k": k}},
        "/search": searches,
        "/explain": {"an item": {**history, "item": first}},
    }

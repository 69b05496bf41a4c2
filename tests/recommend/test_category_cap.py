"""At most so many items of a category: as taking them one by one from the whole list."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.category_cap import ItemCategories, category_cap
from tests.recommend.trained import recommender

HISTORIES = {"u": ["i1", "i2"], "v": ["i5"], "w": ["i7", "i1", "i9"]}


def category_of(items: np.ndarray) -> dict[str, str | None]:
    """Three categories; every fifth item has none."""
    return {item: f"c{place % 3}" for place, item in enumerate(items.tolist()) if place % 5} | {"i0": None}


@pytest.mark.parametrize("model", ["MMM4Rec", "SASRec"])
@pytest.mark.parametrize("most", [1, 2, 40])
@pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
def test_equals_one_by_one(model: str, most: int) -> None:
    made = recommender(model)
    categories, k = category_of(made.items), len(made.items)
    whole = made.recommend(HISTORIES, k=k, deny=["i3"], exclude_seen=True)
    capped = made.recommend(
        HISTORIES, k=12, deny=["i3"], exclude_seen=True, categories=categories, per_category=most
    )
    for user, rows in whole.groupby("user"):
        taken: dict[str, int] = {}
        expected = []
        for item in rows["item"]:
            category = categories.get(item)
            if category is None or taken.get(category, 0) < most:
                expected.append(item)
                taken |= {} if category is None else {category: taken.get(category, 0) + 1}
        own = capped[capped["user"] == user]
        assert own["item"].tolist() == expected[:12]
        assert own["rank"].tolist() == list(range(1, len(own) + 1))


def test_with_an_index_it_is_the_same() -> None:
    pytest.importorskip("usearch", reason="the extra ann is not installed")
    from recbole_mmm4rec.recommend.loading import load
    from tests.recommend.trained import trained

    exact, made = recommender("MMM4Rec"), load(trained("MMM4Rec")[0], "cpu", index="ann")
    cap: dict[str, Any] = {"categories": category_of(exact.items), "per_category": 1}
    lists = [
        each.recommend(["i1", "i2"], [1.5e9, 1.6e9], k=8, **cap)["item"].tolist() for each in (exact, made)
    ]
    assert lists[0] == lists[1]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"categories": {"i1": "a"}}, "categories and per_category go together"),
        ({"per_category": 2}, "categories and per_category go together"),
        ({"categories": ["a"], "per_category": 2}, "a mapping of item ids to categories is needed"),
        ({"categories": {"i1": "a"}, "per_category": 0}, "per_category: 0 is not a whole number from 1"),
        ({"categories": {"?": "a"}, "per_category": 1}, "none of its ids is an item"),
        ({"categories": {"i1": ["a", "b"]}, "per_category": 1}, "is not the one category of an item"),
    ],
)
def test_what_makes_no_sense_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line):
        recommender("MMM4Rec").recommend(["i1", "i2"], [1.5e9, 1.6e9], k=3, **given)


def test_categories_made_ready_for_other_items_are_refused() -> None:
    """As many items in another order: by number they would be those of others."""
    known = recommender("MMM4Rec")
    made = ItemCategories(known.catalogue, dict.fromkeys(known.items, "a"))
    moved = known.catalogue.part(torch.arange(len(known.catalogue)).flip(0).roll(1), {}, [])
    assert len(moved) == len(known.catalogue)
    assert not made.fits(moved)
    with pytest.raises(UserError, match="made ready for other items"):
        category_cap(moved, made, 1)
    assert len(known.recommend(["i1", "i2"], [1.5e9, 1.6e9], k=3, categories=made, per_category=1)) == 1


@pytest.mark.parametrize("missing", [None, np.nan, float("nan"), pd.NA, pd.NaT], ids=repr)
def test_items_whose_category_is_missing_are_not_limited(missing: Any) -> None:
    """As a column of pandas that became a dictionary has them."""
    known = recommender("MMM4Rec")
    categories = {item: "a" if place < 20 else missing for place, item in enumerate(known.items)}
    lists = known.recommend(["i1", "i2"], [1.5e9, 1.6e9], k=50, categories=categories, per_category=1)
    assert len(lists) == len(known.items) - 19

"""At most so many items of one category in a user's list."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue, is_missing

_NONE = -1


class ItemCategories:
    """The category of every item, as numbers.

    Args:
        catalogue: turns ids into numbers.
        categories: id of an item -> its category; items that are not there, or have None or NaN, are not
            limited. Ids that the catalogue does not have are ignored, because a shop's list may be longer.

    Attributes:
        codes: (N + 1,) int64, -1 for items that are not limited.

    Raises:
        UserError: not a mapping, a list in the place of a category, or none of its ids is an item.
    """

    def __init__(self, catalogue: Catalogue, categories: Any) -> None:
        if not isinstance(categories, Mapping):
            raise UserError("categories: a mapping of item ids to categories is needed")
        numbers = catalogue.numbers(list(categories))
        if not (numbers > 0).any():
            raise UserError("categories: none of its ids is an item that the model knows")
        known: dict[Any, int] = {}
        self._tokens = catalogue.tokens
        self.codes = torch.full((len(catalogue),), _NONE, dtype=torch.int64)
        for number, category in zip(numbers.tolist(), categories.values(), strict=True):
            if number > 0 and not is_missing(category):
                if not isinstance(category, Hashable):
                    raise UserError(f"categories: {category!r} is not the one category of an item"[:200])
                self.codes[number] = known.setdefault(category, len(known))

    def fits(self, catalogue: Catalogue) -> bool:
        """Whether they are of these items under these numbers."""
        return self._tokens is catalogue.tokens


class CategoryCap:
    """Keeps the best items of every category among a user's candidates.

    Args:
        categories: of the items.
        most: items of one category in a list.

    Raises:
        UserError: ``most`` is not a whole number from 1.
    """

    def __init__(self, categories: ItemCategories, most: Any) -> None:
        if isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1:
            raise UserError(f"per_category: {most!r} is not a whole number from 1")
        self.most, self._codes = int(most), categories.codes

    def apply(self, scores: Tensor) -> None:
        """Put minus infinity where better items fill the category, in place.

        Args:
            scores: (n, N + 1), minus infinity for items that are not candidates.
        """
        by_score = scores.argsort(dim=1, descending=True, stable=True)
        codes = self._codes.to(scores.device)[by_score]
        by_code = codes.argsort(dim=1, stable=True)
        codes, columns = codes.gather(1, by_code), by_score.gather(1, by_code)
        place = torch.arange(codes.shape[1], device=scores.device).expand_as(codes)
        first = torch.ones_like(codes, dtype=torch.bool)
        first[:, 1:] = codes[:, 1:] != codes[:, :-1]
        rank = place - torch.where(first, place, 0).cummax(dim=1).values
        beyond = (rank >= self.most) & (codes != _NONE)
        scores.scatter_(1, columns, scores.gather(1, columns).masked_fill(beyond, -torch.inf))


def category_cap(catalogue: Catalogue, categories: Any, most: Any) -> CategoryCap | None:
    """What ``categories`` and ``per_category`` ask for; None without either.

    Args:
        catalogue: turns ids into numbers.
        categories: as for :class:`ItemCategories`, or one of these for this catalogue.
        most: items of one category in a list.

    Raises:
        UserError: one without the other; categories of other items; as for :class:`ItemCategories` and
            :class:`CategoryCap`.
    """
    if (categories is None) != (most is None):
        raise UserError("categories and per_category go together")
    if categories is None:
        return None
    if not isinstance(categories, ItemCategories):
        categories = ItemCategories(catalogue, categories)
    elif not categories.fits(catalogue):
        raise UserError("categories: made ready for other items; make them anew from a mapping")
    return CategoryCap(categories, most)

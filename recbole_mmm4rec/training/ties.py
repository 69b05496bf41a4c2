"""Expectations of RecBole's top-k metrics over a random order of the items that share a score.

A model that gives several items the same score has not ordered them. Whatever breaks such a tie puts
something into the metric that the model does not know: the number of an item, for one, follows the
popularity, since items are numbered as they first appear. The value here is the mean over all orders of the
tied items, in closed form: exact, and independent of seeds and of how the scores were collected.

Every function takes :class:`TiedPlaces` and returns (n, depth) float64, the metric of each row at
k = 1..depth. Shapes: n rows (users), depth places of their lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TiedPlaces:
    """The first places of ranked lists, each with the group of equal scores that it belongs to.

    Attributes:
        offset: (n, depth) place within its group, from 0.
        size: (n, depth) items in the group, those beyond the last place included; 1 without a tie.
        positives: (n, depth) right items in the group.
        total: (n,) right items of the row.
    """

    offset: np.ndarray
    size: np.ndarray
    positives: np.ndarray
    total: np.ndarray

    @classmethod
    def of_single(cls, above: np.ndarray, tied: np.ndarray, depth: int) -> TiedPlaces:
        """Rows with one right item each.

        Args:
            above: (n,) items that score higher than the right one.
            tied: (n,) other items with its score.
            depth: number of places.
        """
        offset = np.arange(depth) - above[:, None]
        inside = (offset >= 0) & (offset <= tied[:, None])
        size = np.where(inside, tied[:, None] + 1, 1)
        return cls(np.where(inside, offset, 0), size, inside.astype(np.int64), np.ones(len(above), np.int64))

    @property
    def places(self) -> np.ndarray:
        """(depth,) places, from 1."""
        return np.arange(1, self.size.shape[1] + 1)

    @property
    def share(self) -> np.ndarray:
        """(n, depth) probability that the item at a place is a right one."""
        return self.positives / self.size

    @property
    def first(self) -> np.ndarray:
        """(n, depth) probability that the item at a place is the first right one."""
        found = np.minimum(self.positives / (self.size - self.offset), 1.0)  # if none was found before
        missed = np.cumprod(1.0 - found, axis=1)
        return found * np.concatenate([np.ones_like(missed[:, :1]), missed[:, :-1]], axis=1)


def hit(tied: TiedPlaces) -> np.ndarray:
    """Probability of a right item among the first k."""
    return np.cumsum(tied.first, axis=1)


def mrr(tied: TiedPlaces) -> np.ndarray:
    """Mean of 1 / place of the first right item."""
    return np.cumsum(tied.first / tied.places, axis=1)


def recall(tied: TiedPlaces) -> np.ndarray:
    """Mean share of the right items that are among the first k."""
    return np.cumsum(tied.share, axis=1) / tied.total[:, None]


def precision(tied: TiedPlaces) -> np.ndarray:
    """Mean share of right items among the first k."""
    return np.cumsum(tied.share, axis=1) / tied.places


def ndcg(tied: TiedPlaces) -> np.ndarray:
    """Mean discounted gain, over that of a list which begins with the right items."""
    discounts = 1.0 / np.log2(tied.places + 1)
    best = np.cumsum(discounts)[np.minimum(tied.places, tied.total[:, None]) - 1]
    return np.cumsum(tied.share * discounts, axis=1) / best


def average_precision(tied: TiedPlaces) -> np.ndarray:
    """Mean of the average precision, divided by min(k, right items) as RecBole does.

    A right item at a place counts itself and the right items before it: those of earlier groups, and of its
    own group each other one with the probability of a place before it.
    """
    earlier = np.cumsum(tied.share, axis=1) - (tied.offset + 1) * tied.share
    same_group = tied.offset * (tied.positives - 1) / np.maximum(tied.size - 1, 1)
    gain = tied.share * (earlier + 1 + same_group) / tied.places
    return np.cumsum(gain, axis=1) / np.minimum(tied.places, tied.total[:, None])


EXPECTED: dict[str, Callable[[TiedPlaces], np.ndarray]] = {
    "hit": hit,
    "mrr": mrr,
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "map": average_precision,
}
"""RecBole's name of a metric -> its expectation. They are all metrics that RecBole 1.2.1 reads off a list."""


def expected_at(tied: TiedPlaces, metrics: Sequence[str], topk: Sequence[int]) -> np.ndarray:
    """(n, metrics, cut-offs) float64: the expectation of each metric at each k."""
    columns = np.asarray(topk) - 1
    return np.stack([EXPECTED[name](tied)[:, columns] for name in metrics], axis=1)

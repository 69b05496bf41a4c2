"""Counts of training for items that training never saw, lent by those like them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import scipy.sparse
import torch
from torch import Tensor

from recbole_mmm4rec.model.remembered import likeness_to_counted
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import Histories

if TYPE_CHECKING:
    from recbole_mmm4rec.recommend.recommender import Recommender


def lend_counts(recommender: Recommender, model: Any, catalogue: Catalogue, new: int) -> None:
    """Give the last items of a model counts, if the recommender's items lend each other theirs.

    Args:
        recommender: has the items that lend.
        model: over ``catalogue``.
        catalogue: its last items are new.
        new: how many.
    """
    if _lends(recommender):
        model.co_occurrence.borrow(_likeness(recommender, catalogue, new))


@torch.inference_mode()
def counted_after(recommender: Recommender, catalogue: Catalogue, history: Histories) -> Tensor | float:
    """What counts add to the scores for a new item that follows a history.

    Args:
        recommender: has the items that lend.
        catalogue: its last item is the new one.
        history: of one user, without that item.

    Returns:
        (1, N + 1) float32, or 0 where there is nothing to lend.
    """
    if not _lends(recommender):
        return 0.0
    counts = recommender.scorer.model.co_occurrence
    read = history.items[max(0, len(history.items) + 1 - recommender.blueprint.max_length) :]
    seen = torch.from_numpy(read).to(counts.counted).unsqueeze(0)
    points = counts.points_after(_likeness(recommender, catalogue, 1))
    return counts.without_seen(points, seen, counts.seen) * counts.weight


def _lends(recommender: Recommender) -> bool:
    """Whether its items lend each other counts."""
    counts = recommender.scorer.model.co_occurrence if recommender.scorer.is_ours else None
    return counts is not None and counts.share > 0


def _likeness(recommender: Recommender, catalogue: Catalogue, new: int) -> scipy.sparse.csr_matrix:
    counts, known = recommender.scorer.model.co_occurrence, recommender.catalogue.features
    return likeness_to_counted(counts, known, catalogue.features, new)

"""Counts of training for items that training never saw, lent by those like them."""

from __future__ import annotations

from typing import Any

import scipy.sparse
import torch
from torch import Tensor

from recbole_mmm4rec.model.remembered import likeness_to_counted
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.trained_model import TrainedModel


def lend_counts(trained: TrainedModel, model: Any, catalogue: Catalogue, new: int) -> None:
    """Give the last items of a model counts, if the items of a trained one lend each other theirs.

    Args:
        trained: has the items that lend.
        model: over ``catalogue``.
        catalogue: its last items are new.
        new: how many.
    """
    if _lends(trained):
        model.co_occurrence.borrow(_likeness(trained, catalogue, new))


@torch.inference_mode()
def counted_after(trained: TrainedModel, catalogue: Catalogue, history: Histories) -> Tensor | float:
    """What counts add to the scores for a new item that follows a history.

    Args:
        trained: has the items that lend.
        catalogue: its last item is the new one.
        history: of one user, without that item.

    Returns:
        (1, N + 1) float32, or 0 where there is nothing to lend.
    """
    if not _lends(trained):
        return 0.0
    counts = trained.scorer.model.co_occurrence
    read = history.items[max(0, len(history.items) + 1 - trained.blueprint.max_length) :]
    seen = torch.from_numpy(read).to(counts.counted).unsqueeze(0)
    points = counts.points_after(_likeness(trained, catalogue, 1))
    return counts.without_seen(points, seen, counts.seen) * counts.weight


def _lends(trained: TrainedModel) -> bool:
    """Whether its items lend each other counts."""
    counts = trained.scorer.model.co_occurrence if trained.scorer.is_ours else None
    return counts is not None and counts.share > 0


def _likeness(trained: TrainedModel, catalogue: Catalogue, new: int) -> scipy.sparse.csr_matrix:
    counts, known = trained.scorer.model.co_occurrence, trained.catalogue.features
    return likeness_to_counted(counts, known, catalogue.features, new)

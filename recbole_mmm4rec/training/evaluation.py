"""Full ranking by counting: RecBole's metric values without its dense matrices and its top-k.

With one positive item per row, RecBole's ``rec.topk`` metrics follow from the number of items that score
higher than the target and the number that score the same. RecBole's own metric classes turn places into
values, and ties become expectations, both in :mod:`~recbole_mmm4rec.training.collecting`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.evaluator.register import metric_information
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor

from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.nn.scoring import enough_rows
from recbole_mmm4rec.training.collecting import refuse_nan

_WORD = 8  # bytes of an int64
_GROUP = 255  # a byte counts to 255
_LINE = 16  # float32 in a cache line

DEFAULT_CHUNK = 256
"""Rows scored at a time when the configuration has no ``eval_chunk_size``."""

Pairs = tuple[Tensor, Tensor]
"""Rows of a batch and items in them, both (pairs,) int64, rows ascending."""


def counting_suffices(metrics: Iterable[str], loader: Any, model: Any) -> bool:
    """Whether ranks suffice for these metrics: full ranking, one positive per row, no metric of the lists."""
    needs = {need for metric in metrics for need in metric_information[metric.lower()]}
    scores_all = type(model).full_sort_predict is not AbstractRecommender.full_sort_predict
    full = isinstance(loader, FullSortEvalDataLoader) and loader.is_sequential
    return needs == {"rec.topk"} and full and scores_all


class RankCounter:
    """Places of targets among all items, from score rows that it may keep a buffer for.

    Args:
        n_items: number of score columns N (without the padding column).
        depth: the largest k of the metrics; from it on, where no metric looks, ties are not counted.
    """

    def __init__(self, n_items: int, depth: int) -> None:
        self.n_items = n_items
        self.depth = depth
        self._mask: Tensor | None = None
        self._scores: Tensor | None = None

    def of_vectors(
        self,
        users: Tensor,
        items: Tensor,
        targets: Tensor,
        out: Pairs | None = None,
        more: Tensor | None = None,
    ) -> Tensor:
        """Places from user vectors (B, D), the transposed item matrix (D, N) and target columns (B,).

        ``more`` (B, N) is added to the products.
        """
        rows = enough_rows(users)
        scores = torch.mm(rows, items, out=self._score_rows(rows))[: len(users)]
        if more is not None:
            scores += more
        return self.of_scores(scores, targets, out)

    def _score_rows(self, users: Tensor) -> Tensor:
        """A buffer (B, N) for scores; rows that begin within a cache line halve the speed of the product."""
        if self._scores is None or len(self._scores) < len(users):
            self._scores = users.new_empty(len(users), -(-self.n_items // _LINE) * _LINE)
        return self._scores[: len(users), : self.n_items]

    def of_scores(self, scores: Tensor, targets: Tensor, out: Pairs | None = None) -> Tensor:
        """Places (B, 2) int64: items that score higher than the target, and others that score the same.

        A score of minus infinity says that an item is not a candidate; a target with it comes last.

        Args:
            scores: (B, N), overwritten where ``out`` says so.
            targets: (B,) column of each row's target.
            out: rows and columns that are not candidates, the targets not among them.

        Raises:
            UserError: a target's score is not a number, so that it has no place.
        """
        if out is not None:
            scores[out] = -torch.inf
        threshold = scores.gather(1, targets.unsqueeze(1))
        refuse_nan(threshold)
        above = self._count_above(scores, threshold)
        above[(threshold == -torch.inf).squeeze(1)] = self.n_items
        return torch.stack([above, self._count_ties(above, scores, threshold)], dim=1)

    def _count_above(self, scores: Tensor, threshold: Tensor) -> Tensor:
        """Number of True in ``scores > threshold`` per row, eight comparisons per addition.

        A bool is a byte 0 or 1; eight of them added as one int64 cannot carry within 255 additions.
        """
        mask = self._mask_rows(scores)
        torch.gt(scores, threshold, out=mask[:, : self.n_items])
        packed = mask.view(torch.int64).view(len(mask), -1, _GROUP).sum(dim=2)
        return packed.view(torch.uint8).sum(dim=1, dtype=torch.int64)

    def _mask_rows(self, scores: Tensor) -> Tensor:
        if self._mask is None or len(self._mask) < len(scores):
            width = -(-self.n_items // (_WORD * _GROUP)) * _WORD * _GROUP
            self._mask = torch.zeros(len(scores), width, dtype=torch.bool, device=scores.device)
        return self._mask[: len(scores)]

    def _count_ties(self, above: Tensor, scores: Tensor, threshold: Tensor) -> Tensor:
        """Other items with the target's score (B,), in the rows whose metrics can depend on it."""
        tied = torch.zeros_like(above)
        rows = torch.nonzero(above < min(self.depth, self.n_items)).squeeze(1)
        if len(rows):
            tied[rows] = (scores[rows] == threshold[rows]).sum(dim=1) - 1
        return tied


class FullRanking:
    """Places of the targets of evaluation batches; the item matrix is built once.

    Args:
        model: has ``full_sort_predict``; where it has an ``item_matrix``, scores are products of its rows and
            ``user_vectors``, and ``counted_scores``.
        n_items: rows of the item table, padding included.
        depth: the largest k of the metrics.
        chunk: rows scored at a time; memory is chunk x items, whatever the number of users.

    Raises:
        UserError: the item matrix holds something that is not a number, or is infinite.
    """

    def __init__(self, model: Any, n_items: int, depth: int, chunk: int | None) -> None:
        self.model = model
        self.n_items = n_items
        self.chunk = int(chunk or DEFAULT_CHUNK)
        self.counter = RankCounter(n_items - 1, depth)
        self.hooks = hooks_of(model)
        matrix = self.hooks.item_matrix()
        self.items: Tensor | None = None if matrix is None else _finite(matrix[1:].float()).T

    def places(self, interaction: Any, targets: Tensor, seen: Pairs | None = None) -> Tensor:
        """Places (B, 2) int64 of the targets among items 1..N, see :meth:`RankCounter.of_scores`.

        Args:
            interaction: the batch.
            targets: (B,) item numbers from 1.
            seen: rows and item numbers that are left out of the ranking.

        Raises:
            UserError: the model's scores are not numbers.
        """
        users = None if self.items is None else _finite(self.model.user_vectors(interaction).float())
        places = []
        for start in range(0, len(targets), self.chunk):
            rows = slice(start, start + self.chunk)
            batch, columns, out = interaction[rows], targets[rows] - 1, of_rows(seen, start, self.chunk)
            if users is not None and self.items is not None:
                counted = self.hooks.counted_scores(batch)
                more = None if counted is None else counted[:, 1:]
                places.append(self.counter.of_vectors(users[rows], self.items, columns, out, more))
            else:
                places.append(self.counter.of_scores(self._scores(batch), columns, out))
        return torch.cat(places)

    def _scores(self, interaction: Any) -> Tensor:
        scores = self.model.full_sort_predict(interaction).view(-1, self.n_items)[:, 1:]
        refuse_nan(scores)
        return scores


def _finite(vectors: Tensor) -> Tensor:
    """The vectors themselves, whose products then are numbers; without a look at every score."""
    refuse_nan(vectors - vectors)  # infinity less itself is not a number
    return vectors


def of_rows(pairs: Pairs | None, start: int, count: int) -> Pairs | None:
    """The pairs of some rows, rows counted from ``start`` and items from 0."""
    if pairs is None:
        return None
    rows, items = pairs
    first, end = torch.searchsorted(rows, torch.tensor([start, start + count], device=rows.device)).tolist()
    return rows[first:end] - start, items[first:end] - 1

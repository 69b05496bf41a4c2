"""Full ranking by counting: RecBole's metric values without its dense matrices and its top-k.

With one positive item a row, all of RecBole's ``rec.topk`` metrics follow from the target's rank, and the
rank is the number of items that score higher. Equal scores rank by item number. RecBole's own metric classes
turn the ranks into values, so the values are RecBole's to the last digit wherever its order is defined (its
``torch.topk`` breaks ties arbitrarily).
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.evaluator import Evaluator
from recbole.evaluator.collector import Collector, DataStruct
from recbole.evaluator.register import metric_information
from recbole.model.abstract_recommender import AbstractRecommender
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training import distributed

_WORD = 8  # bytes of an int64
_GROUP = 255  # a byte counts to 255
_ROWS = {"rec.topk", "rec.meanrank", "rec.score", "rec.items", "data.label"}

DEFAULT_CHUNK = 256
"""Rows scored at a time when the configuration has no ``eval_chunk_size``."""


class GatheringCollector(Collector):
    """RecBole's collector; on several processes it hands the evaluator the rows of all of them.

    RecBole's own stops at metrics that need plain numbers (``ItemCoverage``, ``GiniIndex``): it asks integers
    for their CPU copy.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.loader: Any = None

    def get_data_struct(self) -> DataStruct:
        """Rows collected since the last call, of every process, each row once, and the facts of the data."""
        struct, collected = DataStruct(), self.data_struct._data_dict
        for name, value in collected.items():
            struct.set(name, distributed.gather_rows(value, self.loader) if name in _ROWS else value)
        for name in _ROWS & collected.keys():
            del self.data_struct[name]
        return struct


def counting_suffices(metrics: Iterable[str], loader: Any, model: Any) -> bool:
    """Whether ranks alone give these metrics: full ranking, one positive a row, no metric of the lists."""
    needs = {need for metric in metrics for need in metric_information[metric.lower()]}
    scores_all = type(model).full_sort_predict is not AbstractRecommender.full_sort_predict
    full = isinstance(loader, FullSortEvalDataLoader) and loader.is_sequential
    return needs == {"rec.topk"} and full and scores_all


class RankCounter:
    """Ranks of targets among all items, from score rows that it may keep a buffer for.

    Args:
        n_items: number of score columns N (without the padding column).
        depth: the largest k of the metrics. A rank below it is exact, ties by item number; from it
            on, where no metric looks, ties count for the target.
    """

    def __init__(self, n_items: int, depth: int) -> None:
        self.n_items = n_items
        self.depth = depth
        self._mask: Tensor | None = None
        self._scores: Tensor | None = None

    def of_vectors(self, users: Tensor, items: Tensor, targets: Tensor) -> Tensor:
        """Ranks from user vectors (B, D), the transposed item matrix (D, N) and target columns (B,)."""
        if self._scores is None or len(self._scores) < len(users):
            self._scores = users.new_empty(len(users), self.n_items)
        return self.of_scores(torch.mm(users, items, out=self._scores[: len(users)]), targets)

    def of_scores(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Ranks (B,) int64 from 0, from scores (B, N) and target columns (B,).

        Raises:
            UserError: a target's score is not a number, so that it has no rank.
        """
        threshold = scores.gather(1, targets.unsqueeze(1))
        if torch.isnan(threshold).any():
            raise UserError("evaluation: the model's scores are not numbers (NaN); training has diverged")
        ranks = self._count_above(scores, threshold)
        self._break_ties(ranks, scores, threshold, targets)
        return ranks

    def _count_above(self, scores: Tensor, threshold: Tensor) -> Tensor:
        """Number of True in ``scores > threshold`` a row, eight comparisons an addition.

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

    def _break_ties(self, ranks: Tensor, scores: Tensor, threshold: Tensor, targets: Tensor) -> None:
        """Add the equal scores of smaller item numbers, for the rows whose metrics can depend on it."""
        rows = torch.nonzero(ranks < self.depth).squeeze(1)
        if len(rows):
            columns = torch.arange(self.n_items, device=scores.device)
            equal = scores[rows] == threshold[rows]
            ranks[rows] += (equal & (columns < targets[rows].unsqueeze(1))).sum(dim=1)


class FullRanking:
    """Ranks of the targets of evaluation batches; the item matrix is built once.

    Args:
        model: has ``full_sort_predict``, and where scores are a product of both ``user_vectors`` and
            ``item_matrix``.
        n_items: rows of the item table, padding included.
        depth: the largest k of the metrics.
        chunk: rows scored at a time; memory is chunk x items, whatever the number of users.
    """

    def __init__(self, model: Any, n_items: int, depth: int, chunk: int | None) -> None:
        self.model = model
        self.n_items = n_items
        self.chunk = int(chunk or DEFAULT_CHUNK)
        self.counter = RankCounter(n_items - 1, depth)
        # of the class: RecBole's RepeatNet has an embedding of that name
        matrix = model.item_matrix() if hasattr(type(model), "item_matrix") else None
        self.items: Tensor | None = None if matrix is None else matrix[1:].float().T

    def ranks(self, interaction: Any, targets: Tensor) -> Tensor:
        """Ranks (B,) int64 of ``targets`` (B,), item numbers from 1, among items 1..N."""
        columns = targets - 1
        if self.items is not None:
            users = self.model.user_vectors(interaction).float()
            parts = zip(users.split(self.chunk), columns.split(self.chunk), strict=True)
            return torch.cat([self.counter.of_vectors(u, self.items, t) for u, t in parts])
        starts = range(0, len(columns), self.chunk)
        return torch.cat([self._score(interaction, columns, slice(s, s + self.chunk)) for s in starts])

    def _score(self, interaction: Any, columns: Tensor, rows: slice) -> Tensor:
        scores = self.model.full_sort_predict(interaction[rows]).view(-1, self.n_items)
        return self.counter.of_scores(scores[:, 1:], columns[rows])


class RankEvaluator:
    """Values of RecBole's own metric classes, from ranks.

    They see only the rows with a hit: the others are zeros in every metric, which change no sum, and counting
    them in the mean again makes the values the same to the last bit.
    """

    def __init__(self, config: Any) -> None:
        self.depth = max(config["topk"])
        self.rows = 0
        self._evaluator = Evaluator(config)
        for metric in self._evaluator.metric_class.values():
            metric.topk_result = partial(self._averaged, metric)

    def __call__(self, ranks: Tensor) -> dict[str, float]:
        """Metric values of ranks (n,) int64, counted from 0."""
        self.rows = len(ranks)
        hits = ranks[ranks < self.depth]
        return self._evaluator.evaluate(metric_input(hits if len(hits) else ranks[:1], self.depth))

    def _averaged(self, metric: Any, name: str, values: np.ndarray) -> dict[str, float]:
        return type(metric).topk_result(metric, name, _ZerosLeftOut(values, self.rows))


class _ZerosLeftOut:
    """(n, K) values of ``rows`` rows, of which some zero rows are not stored; all that is asked is a mean."""

    def __init__(self, values: np.ndarray, rows: int) -> None:
        self.values, self.rows = values, rows

    def mean(self, axis: int) -> np.ndarray:
        return self.values.sum(axis=axis) / self.rows


def metric_input(ranks: Tensor, depth: int) -> DataStruct:
    """What RecBole's metrics read: hits in the first ``depth`` places, then the number of positives."""
    hits = torch.zeros(len(ranks), depth + 1, dtype=torch.int64)
    rows = torch.nonzero(ranks < depth).squeeze(1)
    hits[rows, ranks[rows]] = 1
    hits[:, depth] = 1
    struct = DataStruct()
    struct.set("rec.topk", hits)
    return struct

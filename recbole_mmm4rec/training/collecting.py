"""From score rows to metric values by RecBole's own classes, with equal scores in no order.

RecBole's collector takes ``torch.topk``, which orders equal scores arbitrarily. Here the lists have them in
a random order under the run's seed, for metrics of the lists such as ``ItemCoverage``, and the metrics that
follow from the places of the right items are expectations over that order, see
:mod:`~recbole_mmm4rec.training.ties`. Rows without such a tie have RecBole's values to the last digit.

A score of minus infinity says that an item is not a candidate: it is nowhere in the order, and a right item
with it is not a hit.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from recbole.evaluator import Evaluator
from recbole.evaluator.collector import Collector, DataStruct
from recbole.evaluator.register import metric_information
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.ties import EXPECTED, TiedPlaces, expected_at

LISTS = ("rec.items", "rec.topk")
"""What RecBole's metrics read of the ranked lists; collected here instead of by RecBole."""

TIES = "rec.expected"
"""(n, metrics, cut-offs) expectations of the rows where a tie matters, NaN in the others."""

_ROWS = {*LISTS, TIES, "rec.meanrank", "rec.score", "data.label"}


def refuse_nan(scores: Tensor) -> None:
    """Raise the one error of a model whose scores have no order.

    Raises:
        UserError: a score is not a number.
    """
    if torch.isnan(scores).any():
        raise UserError("evaluation: the model's scores are not numbers (NaN); training has diverged")


class RankCollector(Collector):
    """RecBole's collector with ties in no order; on several processes it hands over the rows of all of them.

    RecBole's own stops at metrics that need plain numbers (``ItemCoverage``, ``GiniIndex``): it asks integers
    for their CPU copy.

    Attributes:
        loader: the evaluation loader, by which rows of several processes are put in order.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.loader: Any = None
        self.depth = max(self.topk or [0])
        self.expected = [name for name in self.register.metrics if name in EXPECTED]
        self.lists = [name for name in LISTS if self.register.need(name)]
        for name in self.lists:  # RecBole's own collection skips what nothing needs
            setattr(self.register, name, False)
        read = {name for name in self.register.metrics if {*metric_information[name]} & {*LISTS}}
        self._shuffles = not read <= EXPECTED.keys()
        self._generator = torch.Generator()
        self._reseed()

    def _reseed(self) -> None:
        self._generator.manual_seed(int(self.config["seed"] or 0))

    def eval_batch_collect(
        self, scores_tensor: Tensor, interaction: Any, positive_u: Tensor, positive_i: Tensor
    ) -> None:
        """Collect a batch: scores (B, N + 1), and the right items as pairs of row and item number.

        Raises:
            UserError: a score is not a number.
        """
        super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)
        if not self.lists:
            refuse_nan(scores_tensor)
            return
        right = positive_u.to(scores_tensor.device), positive_i.to(scores_tensor.device)
        ranked = RankedLists(scores_tensor, right, self.depth, self._generator if self._shuffles else None)
        struct = {"rec.items": ranked.items, "rec.topk": ranked.hits_and_totals()}
        for name in self.lists:
            self.data_struct.update_tensor(name, struct[name])
        if self.expected:
            self.data_struct.update_tensor(TIES, ranked.expectations(self.expected, self.topk))

    def get_data_struct(self) -> DataStruct:
        """Rows collected since the last call, of every process, each row once, and the facts of the data."""
        struct, collected = DataStruct(), self.data_struct._data_dict
        for name, value in collected.items():
            struct.set(name, distributed.gather_rows(value, self.loader) if name in _ROWS else value)
        for name in _ROWS & collected.keys():
            del self.data_struct[name]
        self._reseed()
        return struct


class RankedLists:
    """The best items of score rows, and the groups of equal scores among them.

    Args:
        scores: (B, N + 1), minus infinity for what is not a candidate.
        right: the right items as pairs, rows and item numbers, both (pairs,).
        depth: length of the lists.
        generator: draws the order of equal scores, on the CPU whatever the device of the scores; None where
            only :meth:`expectations` are read, on which that order has no effect.

    Attributes:
        items: (B, depth) int64 item numbers.

    Raises:
        UserError: a score is not a number.
    """

    def __init__(
        self, scores: Tensor, right: tuple[Tensor, Tensor], depth: int, generator: torch.Generator | None
    ) -> None:
        width = scores.shape[1]
        pairs = (right[0] * width + right[1]).unique()  # an item chosen twice is one right item
        self.scores, self.right = scores, (pairs // width, pairs % width)
        values, items = scores.topk(min(depth + 1, width), dim=1)
        refuse_nan(values)  # one that is not a number sorts first
        repeated = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)
        self.values, self.items = values[:, :depth], items[:, :depth]
        self.rows = torch.nonzero(repeated.any(1)).squeeze(1)  # those with a tie
        if len(self.rows) and generator is not None:
            self._shuffle_ties(generator)
        is_right = torch.zeros_like(scores, dtype=torch.bool)
        is_right[self.right] = True
        self.hits = is_right.gather(1, self.items) & (self.values > -torch.inf)

    def _shuffle_ties(self, generator: torch.Generator) -> None:
        """Order the tied rows anew, with a random choice from the group at the end of the list."""
        values, items, scores = self.values[self.rows], self.items[self.rows], self.scores[self.rows]
        noise = torch.rand(scores.shape, generator=generator).to(values.device)
        last = values[:, -1:]
        mixed = noise.gather(1, items).argsort(1)
        order = mixed.gather(1, values.gather(1, mixed).argsort(dim=1, descending=True, stable=True))
        drawn = torch.where(scores == last, noise, -1.0).topk(values.shape[1], dim=1).indices
        place = torch.arange(values.shape[1], device=values.device) - (values > last).sum(1, keepdim=True)
        within = items.gather(1, order)
        chosen = torch.where(place < 0, within, drawn.gather(1, place.clamp(min=0)))
        self.items[self.rows] = torch.where(last > -torch.inf, chosen, within)

    def hits_and_totals(self) -> Tensor:
        """(B, depth + 1) int64, as RecBole's ``rec.topk``: hits, then the number of right items."""
        return torch.cat([self.hits.long(), self._totals().unsqueeze(1)], dim=1)

    def _totals(self) -> Tensor:
        return torch.bincount(self.right[0], minlength=len(self.scores))

    def expectations(self, metrics: list[str], topk: list[int]) -> Tensor:
        """(B, metrics, cut-offs) float64 on the CPU; NaN where no tie matters to any metric."""
        result = torch.full((len(self.items), len(metrics), len(topk)), torch.nan, dtype=torch.float64)
        if len(self.rows):
            rows, places = self._tied_places()
            result[rows.cpu()] = torch.from_numpy(expected_at(places, metrics, topk))
        return result

    def _tied_places(self) -> tuple[Tensor, TiedPlaces]:
        """Rows with right and other items in one group, and their places."""
        values, hits = self.values[self.rows], self.hits[self.rows].long()
        opens = torch.ones_like(values, dtype=torch.bool)
        opens[:, 1:] = values[:, 1:] != values[:, :-1]
        group = opens.cumsum(1) - 1
        size = torch.zeros_like(group).scatter_add_(1, group, torch.ones_like(group))
        positives = torch.zeros_like(group).scatter_add_(1, group, hits)
        whole, sizes, rights = self._last_groups()
        size[whole] = size[whole].scatter(1, group[whole, -1:], sizes)
        positives[whole] = positives[whole].scatter(1, group[whole, -1:], rights)
        size, positives = size.gather(1, group), positives.gather(1, group)
        place = torch.arange(values.shape[1], device=values.device).expand_as(group)
        offset = place - torch.where(opens, place, 0).cummax(1).values
        matters = ((positives > 0) & (positives < size)).any(1)
        rows = self.rows[matters]
        arrays = offset[matters], size[matters], positives[matters], self._totals()[rows]
        return rows, TiedPlaces(*(array.cpu().numpy() for array in arrays))

    def _last_groups(self) -> tuple[Tensor, Tensor, Tensor]:
        """Tied rows (n,) with a right item level with the end of the list: members and right ones, (n, 1).

        The others' last groups have no right item, or are of items that are not candidates.
        """
        rows, items = self.right
        level = (self.scores[rows, items] == self.values[rows, -1]) & (self.values[rows, -1] > -torch.inf)
        rights = torch.bincount(rows[level], minlength=len(self.scores))[self.rows]
        chosen = torch.nonzero(rights).squeeze(1)
        members = self.scores[self.rows[chosen]] == self.values[self.rows[chosen], -1:]
        return chosen, members.sum(1, keepdim=True), rights[chosen].unsqueeze(1)


class RankEvaluator(Evaluator):
    """RecBole's evaluator: values of its own metric classes, expectations in the rows with a tie.

    Its metric objects get their ``topk_result`` replaced, the step after the values of single rows.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.topk = list(config["topk"] or [0])
        self.depth = max(self.topk)
        self.expected = [name for name in self.metrics if name in EXPECTED]
        self._struct = DataStruct()
        self._rows: int | None = None
        for name in self.expected:
            metric = self.metric_class[name]
            metric.topk_result = partial(self._averaged, metric)

    def evaluate(self, dataobject: DataStruct, rows: int | None = None) -> dict[str, float]:
        """Metric values.

        Args:
            dataobject: what :class:`RankCollector` collected.
            rows: number of rows, if rows without a hit have been left out: they are zeros in every metric,
                which change no sum.
        """
        self._struct, self._rows = dataobject, rows
        return super().evaluate(dataobject)

    def of_ranks(self, above: Tensor, tied: Tensor) -> dict[str, float]:
        """Metric values of rows with one right item each.

        Args:
            above: (n,) int64 items that score higher.
            tied: (n,) int64 other items with the same score, 0 where ``above`` is beyond all cut-offs.
        """
        chosen = torch.nonzero(above < self.depth).squeeze(1)
        if not len(chosen):
            chosen = torch.arange(1)
        struct = metric_input(above[chosen], self.depth)
        matters = torch.nonzero(tied[chosen]).squeeze(1)
        if len(matters) and self.expected:
            rows = chosen[matters]
            places = TiedPlaces.of_single(above[rows].numpy(), tied[rows].numpy(), self.depth)
            ties = torch.full((len(chosen), len(self.expected), len(self.topk)), torch.nan).double()
            ties[matters] = torch.from_numpy(expected_at(places, self.expected, self.topk))
            struct.set(TIES, ties)
        return self.evaluate(struct, len(above))

    def _averaged(self, metric: Any, name: str, values: np.ndarray) -> dict[str, float]:
        if TIES in self._struct:
            ties = self._struct[TIES][:, self.expected.index(name)].numpy()
            rows = np.flatnonzero(~np.isnan(ties[:, 0]))
            values = values.astype(np.float64)
            values[np.ix_(rows, np.asarray(self.topk) - 1)] = ties[rows]
        return type(metric).topk_result(metric, name, _RowMean(values, self._rows))


class _RowMean:
    """(n, K) values of ``rows`` rows, zero rows may be left out; all that is asked is a mean."""

    def __init__(self, values: np.ndarray, rows: int | None) -> None:
        self.values, self.rows = values, len(values) if rows is None else rows

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

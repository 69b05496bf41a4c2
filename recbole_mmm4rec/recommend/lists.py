"""The best items of some users: by the product with all items, or by an index and then exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.nn.scoring import enough_rows
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.neighbours import ANN, ItemIndex
from recbole_mmm4rec.recommend.ranking import Filters, best
from recbole_mmm4rec.recommend.scoring import Scorer

MOST_FETCHED = 2_000
"""Items per user that an index is asked for; more cost as much as the product with all items."""

Lists = tuple[np.ndarray, np.ndarray]
"""(n, k) float32 scores, minus infinity where there are fewer, and (n, k) int64 numbers of items."""


def exact_lists(scorer: Scorer, histories: Histories, rows: np.ndarray, filters: Filters, k: int) -> Lists:
    """The k best of all items.

    Args:
        scorer: of the model.
        histories: of n users.
        rows: (n,) int64 their positions among all users, which ``filters`` goes by.
        filters: who may be recommended what.
        k: items per user.
    """
    return allowed_lists(scorer.scores(histories).clone(), histories, rows, filters, k)


def allowed_lists(scores: Tensor, histories: Histories, rows: np.ndarray, filters: Filters, k: int) -> Lists:
    """The k best of all items by their scores (n, N + 1), which are written over; see :func:`exact_lists`."""
    filters.apply(scores, rows, histories)
    values, numbers = best(scores, k)
    return values.cpu().numpy(), numbers.cpu().numpy()


def indexed_lists(
    scorer: Scorer, index: ItemIndex, histories: Histories, rows: np.ndarray, filters: Filters, k: int
) -> Lists:
    """The same of what an index finds, see :func:`exact_lists`.

    As many items are fetched beyond k as may be refused. Users who are then left with fewer than k, and all
    users where a list says what is allowed or too much is refused, get the exact lists.
    """
    count = k + filters.most_refused(rows, histories)
    if filters.needs_all_scores or count > MOST_FETCHED or count >= scorer.items:
        return exact_lists(scorer, histories, rows, filters, k)
    users = scorer.user_vectors(histories)
    found, counted = index.nearest(users, count), scorer.counted(histories)
    if counted is not None:
        counted = counted.cpu()
        found = _and_counted(found, counted)
    scores = scorer.of_items(users, found.to(scorer.device)).cpu()
    if counted is not None:
        scores = scores + counted.gather(1, found)
    refused = filters.refused(found.numpy(), rows, histories)
    scores = scores.masked_fill(torch.from_numpy(refused), -torch.inf)
    values, numbers = _chosen(scores, found, k)
    short = np.flatnonzero((values > -np.inf).sum(1) < k)
    if len(short):
        values[short], numbers[short] = exact_lists(scorer, histories.of(short), rows[short], filters, k)
    return values, numbers


def alike_lists(vectors: Tensor, own: Histories, rows: np.ndarray, filters: Filters, k: int) -> Lists:
    """The k items most alike to single items.

    Args:
        vectors: (N + 1, E) of length 1.
        own: n histories of one item each, the items that are asked for.
        rows, filters, k: as for :func:`exact_lists`, with those items in the place of users.

    Raises:
        UserError: a single item for which nothing is left.
    """
    queries = vectors[torch.from_numpy(own.items).to(vectors.device)]
    scores = (enough_rows(queries) @ vectors.T)[: len(queries)].clone()
    values, numbers = allowed_lists(scores, own, rows, filters, k)
    if len(own) == 1 and not (values > -np.inf).any():
        raise UserError("allow and deny leave no item")
    return values, numbers


def index_of(scorer: Scorer, where: str, name: str) -> ItemIndex:
    """The index that ``index`` asks for, see :func:`recbole_mmm4rec.load`.

    Raises:
        UserError: a model, by its ``name``, whose scores are not products; as for :class:`ItemIndex`.
    """
    if not scorer.scores_are_products:
        raise UserError(f"index: scores of {name} are not products of vectors, which an index needs")
    return ItemIndex(scorer.candidates(), None if where == ANN else Path(where))


def _and_counted(found: Tensor, counted: Tensor) -> Tensor:
    """Items (U, c) that an index found, and all to whose scores (U, N + 1) counts add; each once, ascending.

    What neither names has a lower product than ``c`` others, and nothing added to it.
    """
    more = counted.topk(max(1, int((counted > 0).sum(1).max())), dim=1)
    items = torch.cat([found, more.indices.masked_fill(more.values <= 0, PAD)], dim=1).sort(1).values
    again = torch.zeros_like(items, dtype=torch.bool)
    again[:, 1:] = items[:, 1:] == items[:, :-1]
    return items.masked_fill(again, PAD).sort(1).values


def _chosen(scores: Tensor, found: Tensor, k: int) -> Lists:
    """Numbers ascend from left to right, so that equal scores come in the order of the catalogue here too."""
    values, columns = best(scores, k)
    return values.numpy(), found.gather(1, columns).numpy()

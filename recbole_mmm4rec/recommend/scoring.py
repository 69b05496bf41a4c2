"""Scores of all items for histories, from our models and from RecBole's.

What does not depend on the user is computed once: weights do not change any more.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.base import MultiModalRecommender
from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.nn.scoring import LEAST_ROWS, enough_rows
from recbole_mmm4rec.recommend.histories import BatchLayout, Histories

_SCORES = 2**24
"""Scores at a time: users x items, 64 MiB as float32."""
_MOST_USERS = 512
_CHECKED = 16
"""Random histories by which the scores of a model of RecBole are found to be products."""


class Scorer:
    """Scores, user vectors and item vectors of a model that is ready to predict.

    Args:
        model: ours, or a sequential one of RecBole's.
        items: N + 1.
        settings: names of the fields, and the longest history.
        with_time: whether the model was trained with times.
    """

    def __init__(self, model: Any, items: int, settings: Any, with_time: bool) -> None:
        self.model, self.items = model, items
        self.is_ours = isinstance(model, MultiModalRecommender)
        self.device = next(model.parameters()).device
        self.layout = BatchLayout(
            f"{settings['ITEM_ID_FIELD']}{settings['LIST_SUFFIX']}",
            settings["ITEM_LIST_LENGTH_FIELD"],
            None,
            int(settings["MAX_ITEM_LIST_LENGTH"]),
            bool(getattr(model, "trims_history", False)),
        )
        if with_time and self._reads_times():
            self.layout = replace(self.layout, time=f"{settings['TIME_FIELD']}{settings['LIST_SUFFIX']}")
        self._held, self._holds = ExitStack(), False  # the table of all items, as long as this object lives
        self._candidates: Tensor | None = None
        self._item_vectors: Tensor | None = None
        self._products: bool | None = None

    @property
    def users_at_a_time(self) -> int:
        """Rows of scores that are in memory together."""
        return int(np.clip(_SCORES // self.items, 1, _MOST_USERS))

    @torch.inference_mode()
    def _reads_times(self) -> bool:
        """Whether the model asks for the times of a history that comes without."""
        if not self.is_ours:
            return False
        try:
            self.model.context(self._batch(Histories.lone(PAD)))
        except KeyError:
            return True
        return False

    def warm_up(self) -> None:
        """Compute what does not depend on users; threads and forks then only read it."""
        self.scores(Histories.lone(1))

    @torch.inference_mode()
    def scores(self, histories: Histories) -> Tensor:
        """(U, N + 1) float32 scores; the pad's is minus infinity. No history may be empty.

        Raises:
            UserError: scores that are not numbers.
        """
        if self.is_ours:
            return self.with_counts(self.of_users(self.user_vectors(histories)), histories)
        rows = np.resize(np.arange(len(histories)), max(len(histories), LEAST_ROWS))
        try:
            scores = self.model.full_sort_predict(self._batch(histories.of(rows))).view(-1, self.items)
        except KeyError as error:
            raise UserError(
                f"{type(self.model).__name__} cannot recommend from only a history: it reads {error}"
            ) from None
        return _candidates_only(scores[: len(histories)])

    @torch.inference_mode()
    def of_users(self, users: Tensor) -> Tensor:
        """(U, N + 1) float32 scores for user vectors (U, D) of one of our models, without counts."""
        return _candidates_only(self.model.scores(enough_rows(users), self.candidates())[: len(users)])

    def with_counts(self, scores: Tensor, histories: Histories) -> Tensor:
        """Scores (U, N + 1) of one of our models, and what counts of training add to them."""
        counted = self.counted(histories)
        return scores if counted is None else scores + counted

    @torch.inference_mode()
    def counted(self, histories: Histories) -> Tensor | None:
        """(U, N + 1) what counts of training add to the scores; None: nothing."""
        if not self.is_ours or self.model.co_occurrence is None:
            return None
        return self.model.counted_scores(self._batch(histories))

    @torch.inference_mode()
    def of_items(self, users: Tensor, numbers: Tensor) -> Tensor:
        """(U, c) float32 products for some items (U, c) int64 of each user (U, D)."""
        return torch.einsum("ud,ucd->uc", users, self.candidates()[numbers]).float()

    @torch.inference_mode()
    def user_vectors(self, histories: Histories) -> Tensor:
        """(U, D) float32.

        Raises:
            UserError: a model of RecBole whose scores are not known to be products.
        """
        batch = self._batch(histories)
        if self.is_ours:
            self._hold_table()
            return self.model.user_vectors(batch).float()
        self.require_products()
        return self._host_users(batch).float()

    @torch.inference_mode()
    def item_vectors(self) -> Tensor:
        """(N + 1, E) float32 vectors whose cosines say how alike items are.

        Raises:
            UserError: the model has none.
        """
        if self._item_vectors is None:
            if self.is_ours:
                self._hold_table()
                vectors = hooks_of(self.model).item_vectors()
                assert vectors is not None
            else:
                self.require_products()
                vectors = self.model.item_embedding.weight
            self._item_vectors = vectors[: self.items].float()
        return self._item_vectors

    def _batch(self, histories: Histories) -> Any:
        return histories.batch(self.layout).to(self.device)

    def _hold_table(self) -> None:
        if not self._holds:
            self._held.enter_context(hooks_of(self.model).shared_item_table())
            self._holds = True

    @torch.inference_mode()
    def table(self) -> dict[str, Tensor]:
        """(N + 1, ...) vectors by name that histories of one of our models are gathered from."""
        return dict(self.model.item_table())

    @property
    def scores_are_products(self) -> bool:
        """Whether scores, without :meth:`counted`, are products of user vectors and :meth:`candidates`."""
        if self.is_ours:
            return self.model.item_matrix() is not None
        return self._are_known_products()

    @torch.inference_mode()
    def candidates(self) -> Tensor:
        """(N + 1, C) float32: what scores are computed from beside user vectors.

        Raises:
            UserError: a model of RecBole whose scores are not known to be products.
        """
        if self._candidates is None:
            if self.is_ours:
                self._candidates = self.model.candidates(self.model.item_table())
            else:
                self.require_products()
                self._candidates = self.model.item_embedding.weight[: self.items]
        return self._candidates

    # Models of RecBole -------------------------------------------------------------------------------------

    def _are_known_products(self) -> bool:
        """Most score with ``forward(histories) @ item_embedding.T``; whether this one does is tried out."""
        if self._products is None:
            self._products = self._are_products()
        return self._products

    def require_products(self) -> None:
        """Refuse a model of RecBole whose scores are not known to be products.

        Raises:
            UserError: names the model.
        """
        if not self._are_known_products():
            raise UserError(
                f"{type(self.model).__name__} has no vectors of items and users: its scores are not products "
                "of vectors"
            )

    def _are_products(self) -> bool:
        table = getattr(getattr(self.model, "item_embedding", None), "weight", None)
        if table is None or len(table) < self.items:
            return False
        generator = np.random.default_rng(0)
        lengths = generator.integers(1, self.layout.length + 1, _CHECKED)
        start = np.concatenate([[0], np.cumsum(lengths)])
        drawn = generator.integers(1, self.items, start[-1])
        histories = Histories(np.arange(_CHECKED).astype(object), drawn, start, None)
        try:
            products = self._host_users(self._batch(histories)) @ table[: self.items].T
        except (TypeError, RuntimeError, ValueError):
            return False
        return torch.allclose(self.scores(histories)[:, 1:], products[:, 1:].float(), rtol=1e-4, atol=1e-5)

    def _host_users(self, batch: Any) -> Tensor:
        return self.model.forward(batch[self.layout.history], batch[self.layout.history_length])


def _candidates_only(scores: Tensor) -> Tensor:
    scores = scores.float()
    if torch.isnan(scores).any():
        raise UserError("the model's scores are not numbers (NaN); its training has diverged")
    scores[:, 0] = -torch.inf
    return scores

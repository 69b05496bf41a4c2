"""A query of a search: an imaginary item, described by features, or items to find more like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.columns import IMAGE, PAD, TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.nn.scoring import enough_rows
from recbole_mmm4rec.recommend.catalogue import Catalogue, as_tokens, one_or_more
from recbole_mmm4rec.recommend.encoders import encode_pictures, encode_texts
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.lent_counts import counted_after
from recbole_mmm4rec.recommend.new_items import feature_of, rows_of
from recbole_mmm4rec.recommend.trained_model import TrainedModel, scorer_over

KINDS = ("vector", "text", "image", "like")


@dataclass(frozen=True)
class Query:
    """Modality -> (1, D_m) ``features`` of a pseudo-item, or numbers of items that it is to be ``like``."""

    features: dict[str, Tensor]
    like: np.ndarray

    def scores(
        self, trained: TrainedModel, history: Histories | None, exclude_seen: bool
    ) -> tuple[Tensor, Histories]:
        """(1, N + 1) scores, and what is not to be found: the items it names, and with ``exclude_seen`` those
        of the history, which holds one user or is None."""
        chosen = history.items if history is not None and exclude_seen else self.like[:0]
        out = np.concatenate([chosen, self.like])
        left_out = Histories(np.array(["query"], object), out, np.array([0, len(out)]), None)
        if history is None:
            vectors = F.normalize(trained.scorer.item_vectors(), dim=1)
            rows = enough_rows(F.normalize(self.vector(trained), dim=1))
            return (rows @ vectors.T)[:1].clone(), left_out
        if self.features:
            scores = trained.scorer.of_users(self.user_vector(trained, history))
            ended = _appended(history, history.items, np.array([PAD]))  # the items before the query
            scores = trained.scorer.with_counts(scores, ended)
            return scores + counted_after(trained, self._alone(trained), history), left_out
        return trained.scorer.scores(self.after(history)).clone(), left_out

    def vector(self, trained: TrainedModel) -> Tensor:
        """(1, E) where the query lies among the item vectors."""
        if not self.features:
            index = torch.from_numpy(self.like).to(trained.scorer.device)
            return F.normalize(trained.scorer.item_vectors()[index], dim=1).mean(0, keepdim=True)
        model = trained.blueprint.over(self._alone(trained), torch.tensor([PAD]), 1)
        with torch.inference_mode():
            vectors = hooks_of(model).item_vectors()
        assert vectors is not None
        return vectors[-1:].float()

    def _alone(self, trained: TrainedModel) -> Catalogue:
        """A catalogue of the pseudo-item only."""
        return trained.catalogue.part(torch.tensor([PAD]), self.features, [None])

    def user_vector(self, trained: TrainedModel, history: Histories) -> Tensor:
        """(1, D) of a history with the query at its end; of a model over the items of that history only."""
        rows, numbers = np.unique(history.items, return_inverse=True)
        catalogue, kept = trained.catalogue, torch.from_numpy(np.concatenate([[PAD], rows]))
        part = catalogue.part(kept, self.features, [None])
        model = trained.blueprint.over(part, kept, 1)
        scorer = scorer_over(trained.blueprint, part, model)
        return scorer.user_vectors(_appended(history, numbers + 1, np.array([len(part) - 1])))

    def after(self, history: Histories) -> Histories:
        """The history with the items of :attr:`like` at its end."""
        return _appended(history, history.items, self.like)


def _appended(history: Histories, items: np.ndarray, more: np.ndarray) -> Histories:
    """One history with items at its end, at the moment of its last event."""
    times = history.times
    if times is not None:
        times = np.concatenate([times, np.full(len(more), times[-1] if len(times) else 0.0)])
    numbers = np.concatenate([items, more]).astype(np.int64)
    return Histories(history.users, numbers, np.array([0, len(numbers)]), times)


def read_query(catalogue: Catalogue, vector: Any, text: Any, image: Any, like: Any) -> Query:
    """Exactly one query, checked, and encoded where it is a text or a picture.

    Raises:
        UserError: none or several; see ``Recommender.search``.
    """
    given = [n for n, value in zip(KINDS, (vector, text, image, like), strict=True) if value is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise UserError(f"search: exactly one of {', '.join(KINDS)} is needed, not {found}")
    if like is not None:
        return Query({}, _liked(catalogue, like))
    if not catalogue.features:
        raise UserError("search: this model has no features; search with like=[items]")
    return Query(_features(catalogue, vector, text, image), np.zeros(0, np.int64))


def _liked(catalogue: Catalogue, like: Any) -> np.ndarray:
    ids = one_or_more(like, "like")
    if not ids:
        raise UserError("search: like names no item")
    return catalogue.known(as_tokens(ids), "like")


def _features(catalogue: Catalogue, vector: Any, text: Any, image: Any) -> dict[str, Tensor]:
    if text is not None:
        if not isinstance(text, str):
            raise UserError(f"text: a text is needed, not {type(text).__name__}")
        found = {TEXT: rows_of(catalogue, TEXT, encode_texts(feature_of(catalogue, TEXT), [text]), 1)}
    elif image is not None:
        found = {IMAGE: rows_of(catalogue, IMAGE, encode_pictures(feature_of(catalogue, IMAGE), [image]), 1)}
    else:
        vectors = vector if isinstance(vector, Mapping) else {_modality_of(catalogue, vector): vector}
        found = {name: rows_of(catalogue, name, [v], 1) for name, v in vectors.items()}
    if not any(bool(part.any()) for part in found.values()):
        raise UserError("search: the query is empty: nothing in it can be encoded")
    return found


def _modality_of(catalogue: Catalogue, vector: Any) -> str:
    """The modality whose features are as wide as a vector."""
    width = len(vector) if hasattr(vector, "__len__") else 0
    widths = {name: features.dimension for name, features in catalogue.features.items()}
    fitting = [name for name, its in widths.items() if its == width]
    if len(fitting) != 1:
        shown = ", ".join(f"{name} {its}" for name, its in widths.items())
        reason = "is the width of no modality" if not fitting else "is the width of several: give a mapping"
        raise UserError(f"vector: {width} {reason} ({shown})")
    return fitting[0]

"""Why an item has its score: predictions with one thing left out each, which is exact for every model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.trained_model import TrainedModel, scorer_over

HISTORY_ITEM = "history item"
HISTORY_MODALITY = "modality of the history"
ITEM_MODALITY = "modality of the item"


def explained(trained: TrainedModel, history: Histories, item: int) -> pd.DataFrame:
    """The table of ``Recommender.explain`` for one history and the number of an item."""
    limit = trained.blueprint.max_length
    # an item beyond the longest history is not read, and its time is not a gap either
    last = history.of(np.zeros(1, np.int64))
    skipped = max(0, len(last.items) - limit)
    last = _cut(last, np.arange(skipped, len(last.items)))
    full = float(trained.scorer.scores(last)[0, item])
    rows = [*_items(trained, last, item, skipped), *_modalities(trained, last, item)]
    table = pd.DataFrame(rows, columns=["left_out", "what", "position", "score"])
    table["effect"] = full - table["score"]
    table.attrs["score"] = full
    return table


def _cut(history: Histories, kept: np.ndarray) -> Histories:
    times = None if history.times is None else history.times[kept]
    return Histories(history.users, history.items[kept], np.array([0, len(kept)]), times)


def _items(trained: TrainedModel, history: Histories, item: int, skipped: int) -> list[tuple[Any, ...]]:
    """Scores without each item of the history."""
    count = len(history.items)
    tokens = trained.catalogue.tokens[history.items]
    if count == 1:
        return [(HISTORY_ITEM, tokens[0], skipped, np.nan)]
    places = np.concatenate([np.delete(np.arange(count), place) for place in range(count)])
    times = None if history.times is None else history.times[places]
    start = np.arange(count + 1) * (count - 1)
    variants = Histories(np.arange(count).astype(object), history.items[places], start, times)
    scores = trained.scorer.scores(variants)[:, item].tolist()
    return [(HISTORY_ITEM, token, skipped + at, scores[at]) for at, token in enumerate(tokens)]


def _modalities(trained: TrainedModel, history: Histories, item: int) -> list[tuple[Any, ...]]:
    """Scores without a modality of the history's items, and of the item; models of features only.

    One model is built over the items of the history and the item, as they are and once more without each
    modality: what is left out on one side stays on the other.
    """
    if not trained.scorer.is_ours or not trained.catalogue.features:
        return []
    items, numbers = np.unique(history.items, return_inverse=True)
    names, size = list(trained.catalogue.features), len(items) + 1
    once = np.concatenate([items, [item]])
    rows = torch.from_numpy(np.concatenate([[PAD], *[once] * (1 + len(names))]))
    part = _without_one_each(trained.catalogue.part(rows, {}, []), names, size)
    model = trained.blueprint.over(part, rows, 0)
    scorer = scorer_over(trained.blueprint, part, model)
    counted = trained.scorer.counted(history)  # they do not depend on features
    added = 0.0 if counted is None else float(counted[0, item])

    def scores(place: int) -> torch.Tensor:
        """Of all rows, after the history as it is (0) or without a modality (its place among the names)."""
        local = Histories(history.users, numbers + 1 + place * size, history.start, history.times)
        return scorer.of_users(scorer.user_vectors(local))[0] + added

    whole, without = scores(0), list(enumerate(names, 1))
    found = [(HISTORY_MODALITY, name, -1, float(scores(place)[size])) for place, name in without]
    return found + [(ITEM_MODALITY, name, -1, float(whole[(place + 1) * size])) for place, name in without]


def _without_one_each(part: Catalogue, names: list[str], size: int) -> Catalogue:
    """After the pad and ``size`` rows as they are, each next ``size`` rows lack one of the modalities."""
    features = {}
    for place, name in enumerate(names, 1):
        old, gone = part.features[name], slice(1 + place * size, 1 + (place + 1) * size)
        matrix, present = old.matrix.clone(), old.present.clone()
        matrix[gone], present[gone] = 0, False
        features[name] = ModalityFeatures(name, matrix, present, old.metadata)
    return part.with_features(part.tokens, features)

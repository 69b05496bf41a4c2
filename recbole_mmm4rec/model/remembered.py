"""Counts of training that a model of ours adds to its scores, whatever the model."""

from collections.abc import Mapping
from logging import getLogger
from time import time
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.sparse

from recbole_mmm4rec.data.content_neighbours import content_neighbours, neighbours_among
from recbole_mmm4rec.data.features import ModalityFeatures
from recbole_mmm4rec.nn.co_occurrence import CoOccurrence

AUTO = "auto"
"""The weight that ranks validation best, see :mod:`recbole_mmm4rec.training.count_weight`."""
CO_OCCURRENCE = "co_occurrence."
"""Prefix of the state entries; they are of one dataset's items and never move to others."""
COUNTED = f"{CO_OCCURRENCE}counted"
"""The one among them that has one row per item."""
MOST_COMPARED = 50_000
"""Items whose features are compared, all with all, which takes minutes on two cores."""


@runtime_checkable
class ShowsEvents(Protocol):
    """A dataset that has interactions; a catalogue, over which a trained model is built again, has none."""

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Items and users, (M,) int64 each, history by history."""
        ...


def build_co_occurrence(config: Any, dataset: Any, n_items: int) -> CoOccurrence | None:
    """What the key ``co_occurrence`` asks for; None in pre-training, whose items are others.

    Args:
        config: the run's configuration.
        dataset: the training set, which is counted and whose features say which items are alike; or a
            catalogue, before the counts are loaded.
        n_items: N + 1.
    """
    weight = config["co_occurrence"]
    if not weight or config["stage"] == "pretrain":
        return None
    share = float(config["co_occurrence_content"] or 0)
    counts = CoOccurrence(n_items, None if weight == AUTO else float(weight), share)
    if isinstance(dataset, ShowsEvents) and not _come_from_checkpoint(config):
        started = time()
        items, owners = dataset.events()
        counts.count(items, owners, _likeness(dataset, n_items) if share else None)
        seconds = time() - started
        getLogger().info(
            f"counted {len(items):,} events of {n_items - 1:,} items in {seconds:.1f} s (co_occurrence)"
        )
    return counts


def _come_from_checkpoint(config: Any) -> bool:
    """Whether the run goes on from a checkpoint of the same items, or loads one: it has the counts."""
    return bool(config["resume"]) or bool(getattr(config, "known_tokens", None))


def _likeness(dataset: Any, n_items: int) -> scipy.sparse.csr_matrix | None:
    """How alike the items are, None where nothing says it or there are too many to compare."""
    features = dataset.features.values()
    if not features:
        return None
    if n_items > MOST_COMPARED:
        getLogger().warning(
            f"co_occurrence_content: {n_items - 1} items are too many to compare all with all "
            f"({MOST_COMPARED}); each has its own counts alone"
        )
        return None
    return content_neighbours([(one.matrix, one.present) for one in features], n_items)


def likeness_to_counted(
    counts: CoOccurrence,
    known: Mapping[str, ModalityFeatures],
    features: Mapping[str, ModalityFeatures],
    new: int,
) -> scipy.sparse.csr_matrix:
    """How much items that training never saw are like those that were counted.

    Args:
        counts: of a model over N items.
        known: features of these and the pad, by modality.
        features: of items of which the last ones are new, by modality.
        new: n, how many.

    Returns:
        (n, N' + 1) float32, what :meth:`~recbole_mmm4rec.nn.co_occurrence.CoOccurrence.borrow` takes.
    """
    pairs = (
        ((one.matrix[-new:], one.present[-new:]), (known[name].matrix, known[name].present))
        for name, one in features.items()
    )
    found = neighbours_among(pairs, (new, len(counts.counted))).tocoo()
    columns = counts.counted.cpu().numpy()[found.col]
    told = columns > 0
    entries = (found.data[told], (found.row[told], columns[told]))
    return scipy.sparse.csr_matrix(entries, shape=(new, len(counts.neighbours)))

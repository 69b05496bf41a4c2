"""``co_occurrence: auto``: every validation chooses anew how much counts of training weigh in the scores.

It also chooses whether items of the history get any points. The scores of model and counts are computed once,
and the targets are placed among their sums for each choice. The model of the best validation keeps what was
chosen there.
"""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import torch
from torch import Tensor

from recbole_mmm4rec.nn.co_occurrence import UNCHOSEN, CoOccurrence
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.evaluation import DEFAULT_CHUNK, Pairs, RankCounter, counting_suffices, of_rows
from recbole_mmm4rec.training.random_state import kept_random_state
from recbole_mmm4rec.training.ties import EXPECTED, TiedPlaces, expected_at

WEIGHTS = (UNCHOSEN, 40.0, 160.0, 20.0, 320.0, 10.0, 640.0)
CHOICES = (*product((0.0, 1.0), WEIGHTS), (0.0, 0.0))
"""Values of ``seen`` and weights that are tried; of equally good ones the first is taken."""
MOST_ROWS = 10_000
"""Validation rows that choose, about; of more, batches at equal distances are taken."""


def chooses_counts(model: Any) -> bool:
    """Whether validation is to choose the weight of the model's counts."""
    counts = getattr(model, "co_occurrence", None)
    return isinstance(counts, CoOccurrence) and counts.chosen


def can_choose(model: Any, loader: Any, metric: str) -> bool:
    """Whether validation by this metric, such as ``ndcg@10``, is one that places of targets suffice for."""
    name = metric.split("@")[0]
    return name in EXPECTED and counting_suffices([name], loader, model)


@torch.no_grad()
def choose_weight(model: Any, loader: Any, metric: str, chunk: int | None) -> tuple[float, float]:
    """Give the counts of a model the one of :data:`CHOICES` that ranks validation best.

    Args:
        model: one for which :func:`chooses_counts`.
        loader: validation data that :func:`can_choose` allows.
        metric: such as ``ndcg@10``, in lower case.
        chunk: rows scored at a time.

    Returns:
        The choice, the same in every process.
    """
    model.eval()
    name, k = metric.split("@")
    depth = int(k)
    counter = RankCounter(loader._dataset.item_num - 1, depth)
    parts = _parts(loader, chunk or DEFAULT_CHUNK)
    with (
        kept_random_state(getattr(loader, "generator", None)),
        model.shared_item_table(histories=min(len(loader.dataset), MOST_ROWS)),
    ):
        places = torch.cat([_places(model, counter, *part) for part in parts], dim=1)
    own = torch.tensor([_value(one, name, depth) for one in places.cpu()])
    values = torch.stack(distributed.gather_objects(own)).mean(0)
    seen, weight = CHOICES[int(values.argmax())]
    model.co_occurrence.seen.fill_(seen)
    model.co_occurrence.weight.fill_(weight)
    return seen, weight


def _parts(loader: Any, chunk: int) -> Iterator[tuple[Any, Tensor, Pairs | None]]:
    """Rows of the loader, at most ``chunk`` at a time: batch, target columns and what is left out."""
    step = max(1, round(len(loader.dataset) / MOST_ROWS))
    for batch, seen, _, targets in islice(loader, 0, None, step):
        for start in range(0, len(targets), chunk):
            rows = slice(start, start + chunk)
            yield batch[rows], targets[rows] - 1, of_rows(seen, start, chunk)


def _places(model: Any, counter: RankCounter, batch: Any, targets: Tensor, out: Pairs | None) -> Tensor:
    """(choices, B, 2) places, see :meth:`RankCounter.of_scores`."""
    counts, device = model.co_occurrence, model.co_occurrence.weight.device
    batch, targets = batch.to(device), targets.to(device)
    out = None if out is None else (out[0].to(device), out[1].to(device))
    plain = model.uncounted_scores(batch)[:, 1:].float()
    points = counts.points(batch[model.ITEM_SEQ], batch[model.ITEM_SEQ_LEN])
    kinds = {0.0: counts.without_seen(points, batch[model.ITEM_SEQ])[:, 1:], 1.0: points[:, 1:]}
    sums = torch.empty_like(plain)
    places = []
    for seen, weight in CHOICES:
        places.append(counter.of_scores(torch.add(plain, kinds[seen], alpha=weight, out=sums), targets, out))
    return torch.stack(places)


def _value(places: Tensor, name: str, depth: int) -> float:
    above, tied = places.numpy().T
    return float(expected_at(TiedPlaces.of_single(above, tied, depth), [name], [depth]).mean())

"""Time of full ranking, RecBole's path against counting, on synthetic users. Not a test.

``OMP_NUM_THREADS=1 python -m tests.training.measure_evaluation [users items width]``; user vectors are given,
so that only scores, ranks and metrics are timed, in CPU seconds. RecBole's path runs on a few batches.
"""

import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import torch
from recbole.data.interaction import Interaction
from recbole.evaluator import Collector, Evaluator
from torch import Tensor

from recbole_mmm4rec.training.collecting import RankEvaluator, metric_input
from recbole_mmm4rec.training.evaluation import FullRanking
from tests.tiny import make_config, write_dataset

BATCH, CHUNK, RECBOLE_BATCHES = 4096, 256, 3


class Given:
    """A model whose user vectors come with the batch."""

    def __init__(self, items: Tensor) -> None:
        self.items = items

    def user_vectors(self, interaction: Any) -> Tensor:
        return interaction["vector"]

    def item_matrix(self) -> Tensor:
        return self.items

    def full_sort_predict(self, interaction: Any) -> Tensor:
        return interaction["vector"] @ self.items.T


def recbole_batches(config: Any, model: Given, users: Tensor, targets: Tensor) -> tuple[Any, float]:
    """Hits of the first batches by RecBole's collector, and seconds per user."""
    collector, rows = Collector(config), BATCH * RECBOLE_BATCHES
    started = process_time()
    for vectors, positives in zip(users[:rows].split(BATCH), targets[:rows].split(BATCH), strict=True):
        scores = model.full_sort_predict(Interaction({"vector": vectors}))
        scores[:, 0] = -torch.inf
        collector.eval_batch_collect(scores, None, torch.arange(len(positives)), positives)
    return collector.get_data_struct(), (process_time() - started) / rows


def count(model: Given, users: Tensor, targets: Tensor) -> tuple[Tensor, float]:
    """Places of all users, and seconds per user."""
    started = process_time()
    ranking = FullRanking(model, len(model.items), 50, CHUNK)
    batches = zip(users.split(BATCH), targets.split(BATCH), strict=True)
    places = torch.cat([ranking.places(Interaction({"vector": v}), t) for v, t in batches])
    return places, (process_time() - started) / len(users)


@torch.no_grad()
def main(users: int = 87_000, items: int = 26_000, width: int = 64) -> str:
    """Both paths once; the result is a line of text."""
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)
    write_dataset(folder)
    config = make_config(folder, topk=[10, 20, 50])
    model, vectors = Given(torch.randn(items + 1, width)), torch.randn(users, width)
    targets = torch.randint(1, items + 1, (users,))
    vectors += 0.2 * model.items[targets]
    places, ours = count(model, vectors, targets)
    above, tied = places.unbind(1)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    evaluate = RankEvaluator(config)
    result, ours_metrics = timed(lambda: evaluate.of_ranks(above, tied))
    expected, their_metrics = timed(lambda: Evaluator(config).evaluate(metric_input(above, 50)))
    assert result == expected
    struct, theirs = recbole_batches(config, model, vectors, targets)
    rows = BATCH * RECBOLE_BATCHES
    assert Evaluator(config).evaluate(struct) == evaluate.of_ranks(above[:rows], tied[:rows])
    whole, recbole = ours * users + ours_metrics, theirs * users + their_metrics
    return (
        f"{users} users x {items} items, D {width}: counting {whole:.1f} s (metrics {ours_metrics:.1f}), "
        f"RecBole {recbole:.1f} s (metrics {their_metrics:.1f}; the rest extrapolated from {rows} users), "
        f"ratio {recbole / whole:.1f}; peak memory of counting {memory:.2f} GiB, with RecBole's "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Result and CPU seconds."""
    started = process_time()
    return work(), process_time() - started


if __name__ == "__main__":
    sys.stdout.write(main(*map(int, sys.argv[1:])) + "\n")

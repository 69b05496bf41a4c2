"""What comes while the model is busy is scored together, with the same answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.serve.batching import BatchedScorer, Batcher, joined
from recbole_mmm4rec.serve.generations import Generation
from tests.programs import until
from tests.recommend.trained import recommender

pytestmark = pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")


class Held:
    """A scorer that is busy until it is let go, and refuses item 13."""

    users_at_a_time = 8

    def __init__(self) -> None:
        self.go, self.begun = Event(), Event()

    def scores(self, histories: Histories) -> Tensor:
        self.begun.set()
        assert self.go.wait(60)
        if 13 in histories.items:
            raise UserError("unlucky")
        return torch.from_numpy(histories.lengths).float().unsqueeze(1)


@pytest.fixture
def sizes() -> list[tuple[int, int]]:
    return []


@pytest.fixture
def batcher(sizes: list[tuple[int, int]]) -> Iterator[Batcher]:
    made = Batcher(observe=lambda requests, histories: sizes.append((requests, histories)))
    yield made
    made.close()


def histories(*items: list[int], times: bool = False) -> Histories:
    start = np.concatenate([[0], np.cumsum([len(one) for one in items])]).astype(np.int64)
    flat = np.array([item for one in items for item in one], dtype=np.int64)
    users = np.arange(len(items)).astype(object)
    return Histories(users, flat, start, flat * 10.0 if times else None)


def together(batcher: Batcher, held: Held, calls: list[Any]) -> list[Any]:
    """Results of calls that all wait while the model is busy, exceptions among them."""

    def settled(call: Any) -> Any:
        try:
            return call()
        except UserError as error:
            return error

    with ThreadPoolExecutor(len(calls) + 1) as threads:
        busy = threads.submit(batcher.scores, held, histories([1]))
        assert held.begun.wait(60)
        waiting = [threads.submit(settled, call) for call in calls]
        until(lambda: batcher._queue.qsize() == len(calls), 60)
        held.go.set()
        busy.result()
        return [one.result() for one in waiting]


@pytest.mark.parametrize("model", ["MMM4Rec", "MISSRec", "GRU4Rec"])
def test_answers_are_those_of_lone_requests(
    batcher: Batcher, sizes: list[tuple[int, int]], model: str
) -> None:
    known: Recommender = recommender(model)
    generation = Generation(1, known, None)
    asked: list[dict[str, Any]] = [
        {"histories": ["i1", "i2"], "k": 5},
        {"histories": [f"i{20 + step}" for step in range(30)], "k": 57, "exclude_seen": False},
        {"histories": ["i3"], "times": [1.5e9], "k": 3, "deny": ["i5"]},
        {"histories": {"a": ["i4"], "b": ["i7", "i4"]}, "k": 2, "allow": {"a": ["i1", "i2", "i3"]}},
        {"histories": ["i1", "i2"], "times": [1.5e9, 1.6e9], "k": 5, "exclude_seen": True},
    ]
    calls = [lambda one=one: generation.for_request(batcher).recommend(**one) for one in asked]
    found = together(batcher, Held(), calls)
    assert sizes == [(1, 1), (5, 6)]
    for one, frame in zip(asked, found, strict=True):
        pd.testing.assert_frame_equal(frame, known.recommend(**one), rtol=1e-4, atol=1e-5)


def test_a_request_that_fails_fails_by_itself(batcher: Batcher) -> None:
    held = Held()
    calls = [lambda one=one: batcher.scores(held, histories(*one)) for one in ([[1]], [[13]], [[2, 3], [4]])]
    first, second, third = together(batcher, held, calls)
    assert first.tolist() == [[1.0]]
    assert isinstance(second, UserError)
    assert third.tolist() == [[2.0], [1.0]]


def test_batches_end_where_memory_or_the_model_does(batcher: Batcher, sizes: list[tuple[int, int]]) -> None:
    held, newer = Held(), Held()
    newer.go.set()
    with ThreadPoolExecutor(8) as threads:
        busy = threads.submit(batcher.scores, held, histories([1]))
        assert held.begun.wait(60)
        waiting = []
        for scorer, count in ((held, 5), (held, 3), (held, 1), (newer, 2), (newer, 9), (held, 1)):
            waiting.append(threads.submit(batcher.scores, scorer, histories(*[[1]] * count)))
            until(lambda: batcher._queue.qsize() == len(waiting), 60)
        held.go.set()
        assert [len(one.result()) for one in [busy, *waiting]] == [1, 5, 3, 1, 2, 9, 1]
    assert sizes == [(1, 1), (2, 8), (1, 1), (1, 2), (1, 9), (1, 1)]


def test_a_batch_may_wait_for_more(sizes: list[tuple[int, int]]) -> None:
    batcher = Batcher(30.0, lambda requests, histories: sizes.append((requests, histories)))
    held = Held()
    held.go.set()
    held.users_at_a_time = 2
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(batcher.scores, held, histories([1])) for _ in range(3)]
        until(lambda: sizes == [(2, 2)], 60)  # full: it waits no longer
        batcher.close()  # nor does the last one, when nothing more can come
        assert all(one.result().tolist() == [[1.0]] for one in waiting)
    assert sizes == [(2, 2), (1, 1)]


def test_joined_histories_without_times_are_simultaneous() -> None:
    both = joined([histories([1, 2], [3]), histories([4], times=True)])
    assert both.items.tolist() == [1, 2, 3, 4]
    assert both.start.tolist() == [0, 2, 3, 4]
    assert both.times is not None
    assert both.times.tolist() == [0, 0, 0, 40]
    assert joined([histories([1]), histories([2])]).times is None


def test_only_scores_are_batched(batcher: Batcher) -> None:
    known = recommender("MMM4Rec")
    scorer = BatchedScorer(known.scorer, batcher)
    assert scorer.users_at_a_time == known.scorer.users_at_a_time
    assert torch.equal(scorer.item_vectors(), known.scorer.item_vectors())

"""Histories of requests that come together are scored together.

Every request runs in its own thread, from its form to its answer; only the model's part of it is done
here, by one thread. Whatever has come while that was busy is its next batch. So a lone request does
not wait, and under load batches grow by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

import numpy as np
from torch import Tensor

from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.scoring import Scorer

Observer = Callable[[int, int], None]
"""Takes the numbers of requests and of histories of a batch."""


@dataclass(frozen=True)
class Job:
    """Histories of one request, the model that is to score them, and where the scores go."""

    scorer: Scorer
    histories: Histories
    scores: Future[Tensor] = field(default_factory=Future)


class Batcher:
    """The thread that scores.

    Args:
        wait: seconds that a batch is kept open for requests that are still to come; 0: none.
        observe: called with the size of every batch.
    """

    def __init__(self, wait: float = 0.0, observe: Observer | None = None) -> None:
        self._wait, self._observe = wait, observe
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="scoring", daemon=True)
        self._thread.start()

    def scores(self, scorer: Scorer, histories: Histories) -> Tensor:
        """``scorer.scores(histories)``, perhaps as rows of a larger batch."""
        job = Job(scorer, histories)
        self._queue.put(job)
        return job.scores.result()

    def close(self) -> None:
        """Score what is waiting, then stop; nothing may be asked any more."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        job = self._queue.get()
        while job is not None:
            batch, other = self._batch(job)
            self._answer(batch)
            job = self._queue.get() if other is _NOTHING else other

    def _batch(self, first: Job) -> tuple[list[Job], Job | None]:
        """Jobs to score together, and the job that did not go with them."""
        batch, users, until = [first], len(first.histories), monotonic() + self._wait
        while True:
            job = self._next(until)
            if job is _NOTHING or job is None:
                return batch, job
            users += len(job.histories)
            if job.scorer is not first.scorer or users > first.scorer.users_at_a_time:
                return batch, job
            batch.append(job)

    def _next(self, until: float) -> Job | None:
        try:
            left = until - monotonic()
            return self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
        except Empty:
            return _NOTHING

    def _answer(self, batch: Sequence[Job]) -> None:
        if self._observe is not None:
            self._observe(len(batch), sum(len(job.histories) for job in batch))
        try:
            scores = batch[0].scorer.scores(joined([job.histories for job in batch]))
        except Exception as error:
            self._answer_each(batch, error)
            return
        start = 0
        for job in batch:
            end = start + len(job.histories)
            job.scores.set_result(scores[start:end])
            start = end

    def _answer_each(self, batch: Sequence[Job], error: Exception) -> None:
        """A request that cannot be scored does not take the others of its batch along."""
        if len(batch) == 1:
            batch[0].scores.set_exception(error)
        else:
            for job in batch:
                self._answer([job])


_NOTHING: Any = Job(None, None)  # type: ignore[arg-type]
"""No job is waiting; None asks to stop."""


class BatchedScorer:
    """Stands in the place of a recommender's scorer; all but ``scores`` is the scorer's own."""

    def __init__(self, scorer: Scorer, batcher: Batcher) -> None:
        self._scorer, self._batcher = scorer, batcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def scores(self, histories: Histories) -> Tensor:
        """(U, N + 1) float32, as of ``Scorer.scores``."""
        return self._batcher.scores(self._scorer, histories)


def joined(parts: Sequence[Histories]) -> Histories:
    """All histories one after the other; users are their positions, and absent times are zeros."""
    if len(parts) == 1:
        return parts[0]
    start = np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))])
    items = np.concatenate([part.items for part in parts])
    times = None
    if any(part.times is not None for part in parts):
        times = np.concatenate([np.zeros(len(p.items)) if p.times is None else p.times for p in parts])
    return Histories(np.arange(len(start) - 1).astype(object), items, start, times)

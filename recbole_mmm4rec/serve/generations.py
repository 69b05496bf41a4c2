"""The checkpoint that is served, and how a newer one at the same path takes its place.

A request holds the generation with which it began until it is answered, so no request is dropped when another
one takes over; the old model goes with its last request.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.serve.batching import BatchedScorer, Batcher

LOGGER = logging.getLogger(__name__)
Mark = tuple[int, int, int]
"""Time, size and number of a file: another one when it was replaced or written to."""


@dataclass(frozen=True)
class Generation:
    """A loaded checkpoint. ``number`` counts from 1; ``mark`` is that of its file when loading began."""

    number: int
    recommender: Recommender
    mark: Mark | None
    loaded: datetime = field(default_factory=lambda: datetime.now(UTC))

    def for_request(self, batcher: Batcher) -> Recommender:
        """The recommender as one request sees it: scored in batches, and told everything anew."""
        own = copy.copy(self.recommender)
        own.scorer = BatchedScorer(self.recommender.scorer, batcher)  # type: ignore[assignment]
        own._missed_times = False
        return own


class Served:
    """The generation that new requests get.

    Args:
        path: of the checkpoint.
        device: as for :func:`recbole_mmm4rec.load`.
        observe: called after every reload with whether it succeeded.

    Raises:
        UserError: the checkpoint cannot be served.
    """

    def __init__(
        self, path: Path, device: str | None = None, observe: Callable[[bool], None] | None = None
    ) -> None:
        self.path, self._device, self._observe = path, device, observe
        self.current = self._loaded(1)
        self.is_stale = False
        self._reloading, self._failed = Lock(), self.current.mark

    def reload(self) -> Generation:
        """Load the file again and let it take over.

        Raises:
            UserError: it cannot be served; the generation before it stays.
        """
        with self._reloading:
            mark = mark_of(self.path)
            try:
                self.current = self._loaded(self.current.number + 1)
            except Exception as error:
                self.is_stale, self._failed = True, mark
                self._tell(False)
                line = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                raise UserError(f"{line}; the model before it is still served") from error
            self.is_stale = False
            self._tell(True)
            LOGGER.info("%s: loaded again, generation %d", self.path, self.current.number)
            return self.current

    def try_reload(self) -> None:
        """The same; a failure is logged."""
        try:
            self.reload()
        except UserError as error:
            LOGGER.error("%s", error)

    def has_changed(self) -> bool:
        """Whether a file is there that was neither loaded nor tried last."""
        mark = mark_of(self.path)
        return mark is not None and mark not in (self.current.mark, self._failed)

    def _tell(self, good: bool) -> None:
        if self._observe is not None:
            self._observe(good)

    def _loaded(self, number: int) -> Generation:
        mark = mark_of(self.path)
        recommender = load(self.path, self._device)
        _warm_up(recommender)
        return Generation(number, recommender, mark)


class Watch:
    """A thread that looks every ``seconds`` whether the file has changed, and has it loaded then."""

    def __init__(self, served: Served, seconds: float) -> None:
        self._served, self._seconds, self._stop = served, seconds, Event()
        self._thread = Thread(target=self._work, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; a reload in progress is waited for."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(self._seconds):
            if self._served.has_changed():
                self._served.try_reload()


def mark_of(path: Path) -> Mark | None:
    """None where there is no such file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _warm_up(recommender: Recommender) -> None:
    """What is computed once, before the first request rather than in it; threads then only read it."""
    scorer: Any = recommender.scorer
    scorer.warm_up()
    try:
        scorer.item_vectors()
    except UserError:  # of a model without vectors; a request that needs them is refused
        return

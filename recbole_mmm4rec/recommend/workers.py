"""Who does the shards: this process, or several processes that share one copy of the model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch

from recbole_mmm4rec.child_process import Crew
from recbole_mmm4rec.recommend import shard_work
from recbole_mmm4rec.recommend.orders import Order
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.shard_work import do_shard, do_shard_aside, sharing
from recbole_mmm4rec.recommend.shards import Shard

Tick = Callable[[int], object]
Ended = tuple[Shard, str, str]
"""A shard, one line about bad input, and how its process ended otherwise than normally; mostly both empty."""


class Workers(Protocol):
    """Do shards and say which are done."""

    def free(self) -> bool:
        """Whether another shard can be started."""
        ...

    def start(self, shard: Shard, part: Path, plan: str) -> None:
        """Start a shard, whose part gets this path."""
        ...

    def wait(self) -> list[Ended]:
        """Shards that ended since the last call, at least one."""
        ...

    def stop(self) -> None:
        """End those that are still going."""
        ...


class Here:
    """This process, with a model that it has.

    Args:
        recommender: the model.
        order: what to recommend.
        tick: called with numbers of users, or of files, that are done.
    """

    def __init__(self, recommender: Recommender, order: Order, tick: Tick = lambda _: None) -> None:
        self.recommender, self.order, self.tick = recommender, order, tick
        self._done: list[Shard] = []

    def free(self) -> bool:
        """One at a time."""
        return not self._done

    def start(self, shard: Shard, part: Path, plan: str) -> None:
        """Do the whole shard."""
        told = 0

        def tick(users: int) -> None:
            nonlocal told
            if shard.rows is not None:
                told += users
                self.tick(users)

        do_shard(self.recommender, self.order, shard, part, plan, tick)
        self.tick(shard.size - told)
        self._done.append(shard)

    def wait(self) -> list[Ended]:
        """The shard that has just been done."""
        done, self._done = self._done, []
        return [(shard, "", "") for shard in done]

    def stop(self) -> None:
        """None is still going."""


class Processes:
    """A process per shard, forked from one that holds the model: its memory is shared by all.

    Args:
        path, index: of the model, as :func:`~recbole_mmm4rec.recommend.loading.load` takes them.
        order: what to recommend.
        count: processes at a time.
        tick: called with numbers of users, or of files, that are done.
    """

    def __init__(
        self, path: str, index: str | None, order: Order, count: int, tick: Tick = lambda _: None
    ) -> None:
        self.count, self.tick = count, tick
        chosen = "OMP_NUM_THREADS" in os.environ
        threads = torch.get_num_threads() if chosen else max(1, (os.cpu_count() or 1) // count)
        self._common = path, index, threads, order
        with sharing(path, index):
            self._crew = Crew([shard_work.__name__])

    def free(self) -> bool:
        """Whether there are fewer processes than asked for."""
        return len(self._crew) < self.count

    def start(self, shard: Shard, part: Path, plan: str) -> None:
        """Start a process."""
        self._crew.start(shard, do_shard_aside, *self._common, shard.alone(), part.resolve(), plan)

    def wait(self) -> list[Ended]:
        """Wait until at least one process has ended."""
        ended = [(shard, answer or "", ending) for shard, answer, ending in self._crew.wait()]
        self.tick(sum(shard.size for shard, _, ending in ended if not ending))
        return ended

    def stop(self) -> None:
        """End the processes that are still going."""
        self._crew.stop()

"""The lists of one shard, made by this process or by one that shares its model with others."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recbole_mmm4rec.data.offenders import Offenders, named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.orders import Order
from recbole_mmm4rec.recommend.parts import Counted, Part, write_part
from recbole_mmm4rec.recommend.ranking import Filters
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.shards import Shard

SHARED_MODEL = "RECBOLE_MMM4REC_SHARED_MODEL"
"""Variable of the environment by which a server of processes is told which model to load before it forks."""


def do_shard(
    recommender: Recommender,
    order: Order,
    shard: Shard,
    path: Path,
    plan: str,
    tick: Callable[[int], object] = lambda _: None,
) -> None:
    """Write the lists of a shard's users.

    Args:
        recommender: the model.
        order: what to recommend.
        shard: the users.
        path: the part.
        plan: hash of model and settings, for the part.
        tick: called with numbers of users that have got their lists.

    Raises:
        UserError: histories that cannot be read; unknown items where the order refuses them.
    """
    state = shard.state
    histories, unknown = shard.histories(recommender.catalogue)
    if unknown and order.on_unknown == "raise":
        raise UserError(f"{shard.source}: the model does not know {unknown}")
    part = Part(
        plan=plan,
        state=state,
        users=len(histories),
        left_out=_counted(named(histories.users[histories.lengths == 0])),
        unknown=_counted(unknown),
        timeless=recommender.scorer.layout.time is not None and histories.times is None,
    )
    filters = recommender.filters(histories.users, "ignore", **order.lists)  # unknown ids have been told
    write_part(path, part, _lists(recommender, histories, filters, order.k, tick))


def _lists(
    recommender: Recommender, histories: Histories, filters: Filters, k: int, tick: Callable[[int], object]
) -> Iterator[pd.DataFrame]:
    rows = np.flatnonzero(histories.lengths > 0)
    for some, frame, _ in recommender.ranked(histories, rows, filters, k):
        yield frame
        tick(len(some))


def _counted(found: Offenders) -> Counted:
    return Counted(found.count, tuple(found.first))


# In a process of its own -----------------------------------------------------------------------------------


def do_shard_aside(
    path: str, index: str | None, threads: int, order: Order, shard: Shard, part: Path, plan: str
) -> str:
    """:func:`do_shard` with the model of this process.

    Args:
        path, index: of the model, as :func:`~recbole_mmm4rec.recommend.loading.load` takes them.
        threads: of PyTorch.
        order, shard, part, plan: as there.

    Returns:
        One line about bad input; empty if the part is there.
    """
    torch.set_num_threads(threads)
    try:
        do_shard(shared_model(path, index), order, shard, part, plan)
    except (UserError, OSError) as error:
        return str(error)
    return ""


@lru_cache(maxsize=1)
def shared_model(path: str, index: str | None) -> Recommender:
    """The model on the CPU, with all that does not depend on users: kept by a process for its forks."""
    recommender = load(path, "cpu", index)
    recommender.scorer.warm_up()
    return recommender


@contextmanager
def sharing(path: str, index: str | None) -> Iterator[None]:
    """A server of processes that is started within it loads this model."""
    os.environ[SHARED_MODEL] = json.dumps([path, index])
    try:
        yield
    finally:
        del os.environ[SHARED_MODEL]


def _load_shared_model() -> None:
    """What such a server does: a second thread would not survive its forks, a failure is met again there."""
    named: Any = os.environ.get(SHARED_MODEL)
    if named is not None:
        torch.set_num_threads(1)
        with suppress(Exception):
            shared_model(*json.loads(named))
        gc.freeze()  # no collection in a fork touches, and so copies, what is shared


_load_shared_model()

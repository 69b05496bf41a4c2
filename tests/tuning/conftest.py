"""A small search on the tiny data set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.tuning.search import Search, Trials
from recbole_mmm4rec.tuning.space import Range, Space
from recbole_mmm4rec.tuning.trial_store import TrialStore

SPACE: Space = {"learning_rate": Range("choice", (0.001, 0.01)), "n_layers": Range("choice", (1, 2))}
GIVEN = {"epochs": 2, "hidden_size": 16, "train_batch_size": 64, "topk": [5, 10]}


@pytest.fixture
def make_search(tiny: Path, in_tmp: Path) -> Callable[..., Search]:
    """A search for SASRec's values, with other space, values or model on request."""

    def make(space: Space = SPACE, model: str = "SASRec", **given: Any) -> Search:
        return Search(model, tiny.name, space, GIVEN | given, in_tmp / "found", tiny.parent)

    return make


def store_of(search: Search) -> TrialStore:
    return TrialStore(search, True, "NDCG@10")


class Counting(Trials):
    """Notes the values of each trial that is done, and may end the process of one."""

    def __init__(self, search: Search, fatal: Callable[[int], None] | None = None) -> None:
        super().__init__(search)
        self.done: list[dict[str, Any]] = []
        self.fatal = fatal

    def run(self, params: Any, watch: Any = None) -> dict[str, Any]:
        self.done.append(dict(params))

        def also(epoch: int, score: float) -> None:
            if watch is not None:
                watch(epoch, score)
            if self.fatal is not None:
                self.fatal(len(self.done))

        return super().run(params, also)

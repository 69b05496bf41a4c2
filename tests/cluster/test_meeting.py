"""Processes find each other in a store that remembers dead ones."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import HashStore

from recbole_mmm4rec.cluster.meeting import meet
from recbole_mmm4rec.errors import UserError


def test_all_get_the_same_new_word_in_every_attempt() -> None:
    store = HashStore()
    words = set()
    for _ in range(3):
        with ThreadPoolExecutor(3) as threads:
            met = list(threads.map(lambda rank: meet(store, rank, 3, 60), [2, 1, 0]))
        assert len(set(met)) == 1
        words |= set(met)
    assert len(words) == 3


def test_who_finds_only_an_earlier_attempt_does_not_join_it() -> None:
    store = HashStore()
    store.set("call", "dead")
    store.set("list/dead", json.dumps(["another"]))
    with pytest.raises(UserError, match="process 1 of 2: the others did not come within"):
        meet(store, 1, 2, 0.2)

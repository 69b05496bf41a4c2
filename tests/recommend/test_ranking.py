"""Lists with filters and ties against plain sorting."""

import numpy as np
import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.ranking import Filters, best, check_k


def plain(scores: torch.Tensor, k: int) -> list[list[int]]:
    """Columns by descending score, equal ones in their order."""
    return [sorted(range(len(row)), key=lambda at: (-row[at], at))[:k] for row in scores.tolist()]


@pytest.mark.parametrize("k", [1, 3, 10, 11, 12])
@pytest.mark.parametrize("values", [2, 5, 10**6])
def test_equal_scores_come_in_the_order_of_the_catalogue(k: int, values: int) -> None:
    generator = torch.Generator().manual_seed(k * values)
    scores = torch.randint(values, (40, 12), generator=generator).float()
    scores[:5, 4:] = -torch.inf
    found, columns = best(scores, k)
    assert columns.tolist()[5:] == plain(scores, k)[5:]
    assert torch.equal(found, scores.gather(1, columns))
    few = min(k, 4)
    assert [row[:few] for row in columns[:5].tolist()] == [row[:few] for row in plain(scores[:5], k)]


def catalogue(items: int = 6) -> Catalogue:
    return Catalogue(["[PAD]", *[f"i{n}" for n in range(1, items + 1)]], {}, False)


def candidates(**given: object) -> list[set[str]]:
    """What is left for two users, who have seen i1, i2 and i2, i3."""
    known, users = catalogue(), np.array(["u", "v"], object)
    seen = Histories(users, np.array([1, 2, 2, 3]), np.array([0, 2, 4]), None)
    filters = Filters(known, users, given.get("allow"), given.get("deny"), bool(given.get("seen", False)))
    scores = torch.zeros(2, 7)
    filters.apply(scores, np.arange(2), seen)
    return [{known.tokens[at] for at in torch.nonzero(row > -torch.inf)[:, 0].tolist()} for row in scores]


EVERY = {f"i{n}" for n in range(1, 7)}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, [EVERY, EVERY]),
        ({"seen": True}, [EVERY - {"i1", "i2"}, EVERY - {"i2", "i3"}]),
        ({"allow": ["i1", "i4"]}, [{"i1", "i4"}] * 2),
        ({"allow": ["i1", "i4"], "seen": True}, [{"i4"}, {"i1", "i4"}]),
        ({"deny": ["i1"]}, [EVERY - {"i1"}] * 2),
        ({"allow": {"v": ["i5"]}, "deny": ["i6"]}, [EVERY - {"i6"}, {"i5"}]),
        ({"deny": [["i1"], []]}, [EVERY - {"i1"}, EVERY]),
        ({"allow": []}, [set(), set()]),
        ({"allow": [["i1"], []]}, [{"i1"}, set()]),
        ({"allow": [None, ("i1",)]}, [EVERY, {"i1"}]),
        ({"deny": [{"i1"}, None]}, [EVERY - {"i1"}, EVERY]),
        ({"allow": {"u": None, "v": ["i1"]}}, [EVERY, {"i1"}]),
        ({"allow": [None, None]}, [EVERY, EVERY]),
    ],
)
def test_filters(given: dict[str, object], left: list[set[str]]) -> None:
    assert candidates(**given) == left


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"allow": ["i1"], "deny": ["i2", "i1"]}, '"i1" is in allow and in deny'),
        ({"allow": {"v": ["i1"]}, "deny": ["i1"]}, "for user 'v'"),
        ({"allow": {"w": ["i1"]}}, "allow: there is no history of user 'w'"),
        ({"deny": [["i1"]]}, "deny: 1 lists for 2 histories"),
        ({"deny": "i1"}, "deny: a list of item ids is needed"),
        ({"deny": 5}, "deny: a list of item ids is needed, not 5"),
        ({"deny": {"u": "i1"}}, "deny: a list of item ids is needed, not 'i1'"),
        ({"allow": ["i1", ["i2"]]}, "allow: ids and lists of ids stand side by side"),
    ],
)
def test_lists_that_cannot_be_meant(given: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=line):
        candidates(**given)


@pytest.mark.parametrize(
    ("k", "line"), [(0, "k: 0"), (7, "exceeds the 6 items"), (1.5, "k: 1.5"), (True, "k")]
)
def test_lengths_that_no_list_can_have(k: object, line: str) -> None:
    with pytest.raises(UserError, match=line):
        check_k(k, 6)

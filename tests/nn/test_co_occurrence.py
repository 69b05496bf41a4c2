"""Scores from counts against a loop over a history, and counts that outlive their catalogue."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
import torch

from recbole_mmm4rec.data.co_occurrence import near_pairs
from recbole_mmm4rec.nn.co_occurrence import (
    DECAY,
    LIKENESS,
    LIKENESS_OF_NEW,
    MOST_COUNTED,
    MOST_NEIGHBOURS,
    REACH,
    SHRINKAGE,
    CoOccurrence,
)

N = 12
SHARE = 0.75


def counted(weight: float = 3.0, seed: int = 0) -> tuple[CoOccurrence, np.ndarray]:
    """The module, and the matrix that it stands for."""
    generator = np.random.default_rng(seed)
    items = generator.integers(1, N - 1, 80)  # the last item has no event
    owners = np.repeat(np.arange(20), 4)
    module = CoOccurrence(N, weight)
    module.count(items, owners)
    matrix = near_pairs(items, owners, N, REACH).toarray()
    root = np.sqrt(matrix.sum(1) + SHRINKAGE)
    return module, matrix / root[:, None] / root


def by_hand(matrix: np.ndarray, history: list[int], weight: float, seen: float = 0.0) -> np.ndarray:
    total = np.zeros(len(matrix))
    for age, item in enumerate(reversed(history)):
        total += weight * DECAY**age * matrix[item]
    total[history] *= seen
    return total


HISTORIES = [[3], [4, 4, 2], [1, 2, 3, 4, 5], [N - 1], [N - 1, 2]]


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, HISTORIES))
    rows = [[*one, *[0] * (width - len(one))] for one in HISTORIES]
    return torch.tensor(rows), torch.tensor([len(one) for one in HISTORIES])


@pytest.mark.parametrize("seen", [0.0, 1.0])
def test_scores_are_those_of_a_loop(seen: float) -> None:
    module, matrix = counted()
    module.seen.fill_(seen)
    found = module(*batch())
    for row, history in zip(found, HISTORIES, strict=True):
        np.testing.assert_allclose(row.numpy(), by_hand(matrix, history, 3.0, seen), rtol=1e-5, atol=1e-6)
    assert not found[:, 0].any()


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_alike_items_are_near_and_lend_each_other_counts(share: float) -> None:
    """Item 2 is much like 1, which stood beside 5; and 3 is a little like 5, and like nobody else."""
    likeness = scipy.sparse.csr_matrix(
        ([2.0, 6.0, 0.25], ([2, 2, 3], [1, 4, 5])), shape=(N, N), dtype=np.float32
    )
    items, owners = np.array([1, 5, 1, 5, 7]), np.array([0, 0, 1, 1, 1])
    module = CoOccurrence(N, 1.0, share)
    module.count(items, owners, likeness)
    together = near_pairs(items, owners, N, REACH).toarray()
    scale = np.diag(1 / np.sqrt(together.sum(1) + SHRINKAGE))
    near, alike = np.zeros((2, N, N))
    near[2, [1, 4]], near[3, 5] = [0.25, 0.75], 0.25
    alike[2, [1, 4]], alike[3, 5] = [0.25, 0.75], 1
    weights = np.eye(N) + share * alike
    whole = weights @ scale @ (together + share * LIKENESS * (near + near.T)) @ scale @ weights.T
    np.fill_diagonal(whole, 0)
    assert whole[2, 5] > 0
    found = module(torch.arange(N).unsqueeze(1), torch.ones(N, dtype=torch.int64))
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-7)


def test_items_that_nobody_chose_have_points_where_they_are_like_the_history() -> None:
    likeness = scipy.sparse.csr_matrix(([1.0], ([7], [2])), shape=(N, N), dtype=np.float32)
    module = CoOccurrence(N, 1.0)
    module.count(np.array([], dtype=np.int64), np.array([], dtype=np.int64), likeness)
    found = module(torch.tensor([[2], [4]]), torch.tensor([1, 1]))
    assert int(found[0].argmax()) == 7
    assert not found[1].any()


def test_pads_add_nothing() -> None:
    module, _ = counted()
    items, lengths = batch()
    wide = torch.cat([items, torch.zeros(len(items), 4, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(module(wide, lengths), module(items, lengths))


def test_before_anything_is_counted_nothing_is_added() -> None:
    assert not CoOccurrence(N, 5.0)(*batch()).any()


def test_items_keep_their_counts_under_other_numbers() -> None:
    """Item n of another catalogue was item ``old[n]`` when it was counted; 0: it is new."""
    module, matrix = counted()
    old = [0, 5, 0, 3, 3, 2]
    other = CoOccurrence(len(old), 3.0)
    other.load_state_dict(module.state_dict() | {"counted": torch.tensor(old)})
    found = other(torch.tensor([[1, 2, 4]]), torch.tensor([3]))[0]
    expected = by_hand(matrix, [5, 0, 3], 3.0, seen=1.0)[old]
    expected[[1, 2, 4]] = 0
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def grown() -> tuple[CoOccurrence, np.ndarray]:
    """Three items come last, the second like nobody; with the matrix that it stands for."""
    module, matrix = counted()
    likeness = np.zeros((3, N))
    likeness[0, [3, 5]] = 3, 1
    likeness[2, 4] = 0.5
    larger = CoOccurrence(N + 3, 3.0, SHARE)
    numbers = torch.cat([torch.arange(N), torch.zeros(3, dtype=torch.int64)])
    larger.load_state_dict(module.state_dict() | {"counted": numbers})
    larger.borrow(scipy.sparse.csr_matrix(likeness))
    alike, near = np.zeros((2, 3, N))
    alike[0, [3, 5]], alike[2, 4] = [0.75, 0.25], 1
    near[0, [3, 5]], near[2, 4] = [0.75, 0.25], 0.5
    weights = np.concatenate([np.eye(N), SHARE * alike])
    whole = weights @ matrix @ weights.T
    whole[N:, :N] += SHARE * LIKENESS_OF_NEW * near
    whole[:N, N:] += SHARE * LIKENESS_OF_NEW * near.T
    np.fill_diagonal(whole, 0)
    return larger, whole


def test_items_that_come_later_borrow_counts_as_candidates_and_in_histories() -> None:
    module, whole = grown()
    for history in ([3], [N], [1, N, 2], [N + 1], [N + 2, N, 4]):
        found = module(torch.tensor([history]), torch.tensor([len(history)]))[0]
        np.testing.assert_allclose(found.numpy(), by_hand(whole, history, 3.0), rtol=1e-5, atol=1e-6)
    assert not module(torch.tensor([[N + 1]]), torch.tensor([1])).any()


def test_items_that_are_not_candidates_take_no_place_among_the_neighbours() -> None:
    """All items of training are like the new ones, and more than an item keeps neighbours."""
    old, new = MOST_NEIGHBOURS + 50, 3
    module = CoOccurrence(old, 1.0)
    module.count(np.arange(1, old), np.zeros(old - 1, np.int64))
    likeness = scipy.sparse.csr_matrix(np.tile(np.r_[0, np.ones(old - 1)], (new, 1)))
    other = CoOccurrence(1 + new, 1.0)
    other.load_state_dict(module.state_dict() | {"counted": torch.zeros(1 + new, dtype=torch.int64)})
    other.borrow(likeness)
    assert other.neighbours.shape == (1 + new, new - 1)
    found = other.points(torch.tensor([[1]]), torch.tensor([1]))[0]
    assert (found[2:] > 0).all()
    assert not found[:2].any()


def test_what_was_borrowed_is_in_the_state() -> None:
    module, _ = grown()
    other = CoOccurrence(N + 3, 3.0)
    other.load_state_dict(module.state_dict())
    history = torch.tensor([[N, 2]]), torch.tensor([2])
    torch.testing.assert_close(other(*history), module(*history))


@pytest.mark.parametrize(
    ("entry", "wrong", "told"),
    [
        ("neighbours", lambda table: table + N, "neighbours names an item that was not counted"),
        ("neighbours", lambda table: table - 1, "neighbours names an item that was not counted"),
        ("counted", lambda numbers: numbers + 1, "counted names an item that was not counted"),
        ("values", lambda table: table[:, :1], "values has shape"),
        ("values", lambda table: table[1:], "values has shape"),
    ],
)
def test_tables_that_make_no_sense_are_refused(
    entry: str, wrong: Callable[[torch.Tensor], torch.Tensor], told: str
) -> None:
    state = counted()[0].state_dict()
    with pytest.raises(RuntimeError, match=told):
        CoOccurrence(N, 3.0).load_state_dict(state | {entry: wrong(state[entry])})


@pytest.mark.parametrize("chosen", [True, False])
def test_the_weight_is_in_the_state_only_if_it_was_chosen(chosen: bool) -> None:
    """One that was given follows from the configuration, which may say otherwise later."""
    module, other = (CoOccurrence(N, None if chosen else weight) for weight in (3.0, 5.0))
    module.weight.fill_(3.0)
    module.count(np.array([1, 2]), np.array([0, 0]))
    module.seen.fill_(1.0)
    other.load_state_dict(module.state_dict())
    points = other.points(*batch())
    expected = 3.0 * points if chosen else 5.0 * other.without_seen(points, batch()[0])
    torch.testing.assert_close(other(*batch()), expected)


def test_no_item_keeps_more_neighbours_than_it_may() -> None:
    many = MOST_COUNTED + 30
    module = CoOccurrence(many + 2, 1.0)
    items = np.stack([np.full(many, 1), np.arange(2, many + 2)], axis=1).ravel()
    module.count(items, np.repeat(np.arange(many), 2))
    assert module.neighbours.shape == (many + 2, MOST_COUNTED)
    assert (module.values[1] > 0).all()
    assert (module.values[2] > 0).sum() == 1


def test_nothing_of_it_is_trained() -> None:
    module, _ = counted()
    assert not list(module.parameters())
    assert not module(*batch()).requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_says_the_same() -> None:
    module, _ = counted()
    expected = module(*batch())
    items, lengths = batch()
    torch.testing.assert_close(module.cuda()(items.cuda(), lengths.cuda()).cpu(), expected)

"""Scores from counts against a loop over a history, and counts that outlive their catalogue."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
import torch

from recbole_mmm4rec.data.co_occurrence import near_pairs
from recbole_mmm4rec.nn.co_occurrence import DECAY, LIKENESS, MOST_COUNTED, REACH, SHRINKAGE, CoOccurrence

N = 12


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


def test_alike_items_have_points_and_lend_each_other_counts() -> None:
    """Item 2 never stood beside 5, but 1 did, which is like it; and so has 3, which is like 5."""
    alike = scipy.sparse.csr_matrix(([0.5, 0.25], ([2, 3], [1, 5])), shape=(N, N), dtype=np.float32)
    alone, lent = CoOccurrence(N, 1.0), CoOccurrence(N, 1.0)
    history = torch.tensor([[1], [2]]), torch.tensor([1, 1])
    alone.count(np.array([1, 5]), np.array([0, 0]))
    lent.count(np.array([1, 5]), np.array([0, 0]), alike)
    own = float(alone(*history)[0, 5])
    assert own > 0
    assert not alone(*history)[1].any()
    matrix = np.zeros((N, N))
    matrix[1, 5] = matrix[5, 1] = own
    weights = np.eye(N) + alike.toarray()
    whole = weights @ (matrix + LIKENESS * (alike + alike.T).toarray()) @ weights.T
    np.fill_diagonal(whole, 0)
    found = lent(*history)
    np.testing.assert_allclose(found, whole[[1, 2]], rtol=1e-6)
    assert float(found[1, 5]) == pytest.approx(0.5 * own, rel=1e-5), "lent"
    assert float(found[0, 2]) == pytest.approx(0.5 * LIKENESS), "likeness itself"


def test_items_that_nobody_chose_have_points_where_they_are_like_the_history() -> None:
    alike = scipy.sparse.csr_matrix(([1.0], ([7], [2])), shape=(N, N), dtype=np.float32)
    module = CoOccurrence(N, 1.0)
    module.count(np.array([], dtype=np.int64), np.array([], dtype=np.int64), alike)
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
    alike = np.zeros((3, N))
    alike[0, [3, 5]] = 0.75, 0.25
    alike[2, 4] = 0.5
    larger = CoOccurrence(N + 3, 3.0)
    numbers = torch.cat([torch.arange(N), torch.zeros(3, dtype=torch.int64)])
    larger.load_state_dict(module.state_dict() | {"counted": numbers})
    larger.borrow(scipy.sparse.csr_matrix(alike))
    weights = np.concatenate([np.eye(N), alike])
    whole = weights @ matrix @ weights.T
    whole[N:, :N] += LIKENESS * alike
    whole[:N, N:] += LIKENESS * alike.T
    np.fill_diagonal(whole, 0)
    return larger, whole


def test_items_that_come_later_borrow_counts_as_candidates_and_in_histories() -> None:
    module, whole = grown()
    for history in ([3], [N], [1, N, 2], [N + 1], [N + 2, N, 4]):
        found = module(torch.tensor([history]), torch.tensor([len(history)]))[0]
        np.testing.assert_allclose(found.numpy(), by_hand(whole, history, 3.0), rtol=1e-5, atol=1e-6)
    assert not module(torch.tensor([[N + 1]]), torch.tensor([1])).any()


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

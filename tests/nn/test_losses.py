"""Both cross-entropies against loops over rows."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.nn.losses import full_catalogue_loss, in_batch_loss, inner_products


def by_hand(users: Tensor, candidates: Tensor, targets: Tensor, first: int) -> Tensor:
    losses = []
    for user, target in zip(users, targets, strict=True):
        scores = torch.stack([user @ c for c in candidates[first:]])
        losses.append(scores.logsumexp(0) - user @ candidates[target])
    return torch.stack(losses).mean()


def assert_same(fast: Tensor, slow: Tensor, inputs: list[Tensor]) -> None:
    """In value and gradient."""
    torch.testing.assert_close(fast, slow)
    for a, b in zip(torch.autograd.grad(fast, inputs), torch.autograd.grad(slow, inputs), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("chunk", [0, 1, 3, 4, 100])
@pytest.mark.parametrize("items", [1, 2, 9])
def test_full_catalogue(items: int, chunk: int, pad: bool) -> None:
    torch.manual_seed(items)
    users, candidates = torch.randn(4, 5).requires_grad_(), torch.randn(items + 1, 5).requires_grad_()
    targets = torch.randint(1, items + 1, (4,))
    fast = full_catalogue_loss(users, candidates, targets, pad, chunk)
    slow = by_hand(users, candidates, targets, 0 if pad else 1)
    assert_same(fast, slow, [users, candidates])


@pytest.mark.parametrize("chunk", [0, 1, 3, 100])
@pytest.mark.parametrize("plain", [True, False], ids=["in passing", "by a score"])
def test_seen_items_do_not_compete(chunk: int, plain: bool) -> None:
    torch.manual_seed(0)
    users, candidates = torch.randn(4, 5).requires_grad_(), torch.randn(10, 5).requires_grad_()
    targets = torch.tensor([3, 9, 1, 5])
    seen = torch.tensor([[1, 2, 2], [0, 0, 0], [9, 8, 0], [4, 6, 7]])
    score = inner_products if plain else lambda users, candidates: inner_products(users, candidates)
    fast = full_catalogue_loss(users, candidates, targets, chunk=chunk, score=score, seen=seen)
    rows = []
    for row in range(4):
        keep = [item for item in range(1, 10) if item not in seen[row]]
        rows.append((candidates[keep] @ users[row]).logsumexp(0) - candidates[targets[row]] @ users[row])
    assert_same(fast, torch.stack(rows).mean(), [users, candidates])


def test_seen_items_are_not_negatives_in_a_batch() -> None:
    torch.manual_seed(0)
    users, candidates = torch.randn(3, 4), torch.randn(3, 4)
    targets, seen = torch.tensor([3, 5, 8]), torch.tensor([[5, 0], [8, 3], [1, 2]])
    loss = in_batch_loss(users, candidates, targets, seen=seen)
    rows = []
    for row, keep in enumerate([[0, 2], [1], [0, 1, 2]]):
        rows.append((candidates[keep] @ users[row]).logsumexp(0) - candidates[row] @ users[row])
    torch.testing.assert_close(loss, torch.stack(rows).mean())


def test_equal_targets_are_not_negatives() -> None:
    torch.manual_seed(0)
    table, targets = torch.randn(9, 4), torch.tensor([3, 5, 3, 8])
    users, candidates = torch.randn(4, 4), table[targets]
    loss = in_batch_loss(users, candidates, targets)
    rows = []
    for row in range(4):
        keep = [k for k in range(4) if k == row or targets[k] != targets[row]]
        scores = candidates[keep] @ users[row]
        rows.append(scores.logsumexp(0) - users[row] @ candidates[row])
    torch.testing.assert_close(loss, torch.stack(rows).mean())
    released = in_batch_loss(users, candidates, targets, mask_equal=False)
    expected = torch.nn.functional.cross_entropy(users @ candidates.T, torch.arange(4))
    torch.testing.assert_close(released, expected)
    assert released > loss


def test_a_batch_of_one_has_no_negatives() -> None:
    assert in_batch_loss(torch.randn(1, 4), torch.randn(1, 4), torch.tensor([2])).abs() < 1e-6


@pytest.mark.parametrize("chunk", [0, 2])
def test_a_score_need_not_be_a_product(chunk: int) -> None:
    torch.manual_seed(0)
    users, candidates, targets = torch.randn(5, 3), torch.randn(8, 6), torch.randint(1, 8, (5,))

    def score(users: Tensor, candidates: Tensor) -> Tensor:
        first, second = candidates.chunk(2, dim=-1)
        return torch.maximum(users @ first.mT, users @ second.mT)

    scores = score(users, candidates)
    loss = full_catalogue_loss(users, candidates, targets, False, chunk, score)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores[:, 1:], targets - 1))
    loss = in_batch_loss(users, candidates[:5], torch.arange(5), score=score)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores[:, :5], torch.arange(5)))


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("chunk", [0, 1, 4, 100])
@pytest.mark.parametrize("items", [1, 9])
def test_smoothed_labels_by_hand(items: int, chunk: int, pad: bool) -> None:
    torch.manual_seed(items)
    users, candidates = torch.randn(4, 5).requires_grad_(), torch.randn(items + 1, 5).requires_grad_()
    targets, first = torch.randint(1, items + 1, (4,)), 0 if pad else 1
    fast = full_catalogue_loss(users, candidates, targets, pad, chunk, smoothing=0.3)
    losses = []
    for user, target in zip(users, targets, strict=True):
        logs = torch.stack([user @ c for c in candidates[first:]]).log_softmax(0)
        losses.append(-0.7 * logs[target - first] - 0.3 * logs.mean())
    slow = torch.stack(losses).mean()
    assert_same(fast, slow, [users, candidates])


@pytest.mark.parametrize("targets", [[3, 5, 3, 8], [2, 2, 2, 2], [4]], ids=str)
def test_smoothed_labels_in_a_batch_go_to_what_competes(targets: list[int]) -> None:
    torch.manual_seed(0)
    table = torch.randn(9, 4)
    rows, count = torch.tensor(targets), len(targets)
    users, candidates = torch.randn(count, 4).requires_grad_(), table[rows].requires_grad_()
    losses = []
    for row in range(count):
        keep = [k for k in range(count) if k == row or targets[k] != targets[row]]
        logs = (candidates[keep] @ users[row]).log_softmax(0)
        losses.append(-0.8 * logs[keep.index(row)] - 0.2 * logs.mean())
    fast, slow = in_batch_loss(users, candidates, rows, smoothing=0.2), torch.stack(losses).mean()
    torch.testing.assert_close(fast, slow)
    for a, b in zip(
        torch.autograd.grad(fast, [users, candidates]),
        torch.autograd.grad(slow, [users, candidates]),
        strict=True,
    ):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b)

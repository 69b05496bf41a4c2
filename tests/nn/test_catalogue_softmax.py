"""The cross-entropy in passing against torch's on the matrix of all scores."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn import catalogue_softmax as module
from recbole_mmm4rec.nn.catalogue_softmax import catalogue_cross_entropy, in_passing
from recbole_mmm4rec.nn.losses import full_catalogue_loss, inner_products


def inputs(users: int, items: int, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(items)
    wanted = torch.randint(1, items + 1, (users,))
    return (
        (scale * torch.randn(users, 5)).requires_grad_(),
        torch.randn(items + 1, 5).requires_grad_(),
        wanted,
    )


@pytest.mark.parametrize("together", [1, 2, 7, 128])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1000.0])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("users", "items"), [(1, 1), (7, 1), (7, 9), (4, 300)])
def test_value_and_gradients(
    users: int, items: int, first: int, scale: float, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "USERS", together)
    found, candidates, targets = inputs(users, items, scale)
    fast = 3 * catalogue_cross_entropy(found, candidates, targets, first)
    slow = 3 * F.cross_entropy(found @ candidates[first:].T, targets - first)
    torch.testing.assert_close(fast, slow)
    sides = [found, candidates]
    for a, b in zip(torch.autograd.grad(fast, sides), torch.autograd.grad(slow, sides), strict=True):
        torch.testing.assert_close(a, b)


def test_without_gradients() -> None:
    users, candidates, targets = inputs(5, 9)
    with torch.no_grad():
        value = catalogue_cross_entropy(users, candidates, targets)
    torch.testing.assert_close(value, F.cross_entropy(users @ candidates.T, targets))


def test_a_diverged_model_is_seen() -> None:
    users, candidates, targets = inputs(5, 9)
    with torch.no_grad():
        users[3, 0] = torch.nan
    assert catalogue_cross_entropy(users, candidates, targets).isnan()


def test_which_losses_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain products in float32 without smoothing; everything else as before."""
    users, candidates, targets = inputs(5, 9)
    assert in_passing(users, candidates)
    assert not in_passing(users.double(), candidates.double())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not in_passing(users, candidates)
    calls = []
    monkeypatch.setattr("recbole_mmm4rec.nn.losses.catalogue_cross_entropy", lambda *args: calls.append(args))
    full_catalogue_loss(users, candidates, targets)
    assert len(calls) == 1
    full_catalogue_loss(users, candidates, targets, smoothing=0.1)
    full_catalogue_loss(users, candidates, targets, chunk=2)
    full_catalogue_loss(users, candidates, targets, score=lambda u, c: inner_products(u, c))
    assert len(calls) == 1

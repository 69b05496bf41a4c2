"""Sampled losses against loops over rows, and against the losses that they estimate."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.losses import full_catalogue_loss
from recbole_mmm4rec.nn.sampled_losses import gbce_beta, gbce_loss, sampled_softmax_loss

B, D, N, K = 5, 4, 9, 6


def setting() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    users, table = torch.randn(B, D), torch.randn(N + 1, D)
    return users.requires_grad_(), table.requires_grad_(), torch.tensor([3, 5, 3, 8, 1])


def assert_same(fast: Tensor, slow: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(fast, slow)
    pairs = zip(torch.autograd.grad(fast, inputs), torch.autograd.grad(slow, inputs), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("shared", [True, False])
def test_all_items_as_negatives_give_the_full_cross_entropy(shared: bool) -> None:
    users, table, targets = setting()
    items = torch.arange(1, N + 1)
    if shared:  # every item once: expected once under a uniform distribution over all items
        negatives, taken = items, items == targets.unsqueeze(1)
    else:  # every item but the target once: expected once under one over the others
        negatives = torch.stack([items[items != target] for target in targets])
        taken = None
    log_expected = torch.zeros(negatives.shape)
    fast = sampled_softmax_loss(users, table[targets], table[negatives], log_expected, taken)
    assert_same(fast, full_catalogue_loss(users, table, targets), [users, table])


@pytest.mark.parametrize("shared", [True, False])
def test_sampled_softmax_row_by_row(shared: bool) -> None:
    users, table, targets = setting()
    negatives = torch.randint(1, N + 1, (K,) if shared else (B, K))
    log_expected, taken = torch.randn(negatives.shape), negatives == targets.unsqueeze(1)
    fast = sampled_softmax_loss(users, table[targets], table[negatives], log_expected, taken)
    losses = []
    for b in range(B):
        right, total = users[b] @ table[targets[b]], torch.zeros(())
        items, logs = (x if shared else x[b] for x in (negatives, log_expected))
        for item, log in zip(items, logs, strict=True):
            if item != targets[b]:
                total = total + (users[b] @ table[item] - log).exp()
        losses.append((right.exp() + total).log() - right)
    assert_same(fast, torch.stack(losses).mean(), [users, table])


@pytest.mark.parametrize(
    "weights", [[1.0] * N, [float(n) for n in range(1, N + 1)]], ids=["uniform", "popular"]
)
def test_the_correction_makes_the_sum_over_a_sample_right_on_average(weights: list[float]) -> None:
    torch.manual_seed(1)
    scores, q = torch.randn(N).double(), torch.tensor(weights).double() / sum(weights)
    per_draw = (scores.exp() / (K * q)) @ q  # the mean of exp(score - log_expected) of one draw, of K
    torch.testing.assert_close(K * per_draw, scores.exp().sum())


@pytest.mark.parametrize("beta", [1.0, 0.3])
@pytest.mark.parametrize("shared", [True, False])
def test_gbce_row_by_row(shared: bool, beta: float) -> None:
    users, table, targets = setting()
    negatives = torch.randint(1, N + 1, (K,) if shared else (B, K))
    taken = negatives == targets.unsqueeze(1)
    fast = gbce_loss(users, table[targets], table[negatives], beta, taken)
    losses = []
    for b in range(B):
        terms = [-((users[b] @ table[targets[b]]).sigmoid() ** beta).log()]
        for item in negatives if shared else negatives[b]:
            if item != targets[b]:
                terms.append(-(1 - (users[b] @ table[item]).sigmoid()).log())
        losses.append(torch.stack(terms).mean())
    assert_same(fast, torch.stack(losses).mean(), [users, table])


def test_without_calibration_gbce_is_the_binary_cross_entropy() -> None:
    users, table, targets = setting()
    negatives = torch.randint(1, N + 1, (B, K))
    beta = gbce_beta(0.0, K, N)
    assert beta == pytest.approx(1.0)
    scores = (table[torch.cat([targets.unsqueeze(1), negatives], dim=1)] @ users.unsqueeze(2)).squeeze(2)
    labels = torch.zeros_like(scores)
    labels[:, 0] = 1
    slow = F.binary_cross_entropy_with_logits(scores, labels)
    assert_same(gbce_loss(users, table[targets], table[negatives], beta), slow, [users, table])


def test_full_calibration_is_the_share_of_items_drawn() -> None:
    assert gbce_beta(1.0, 4, 9) == pytest.approx(0.5)
    assert gbce_beta(0.75, 256, 1_000_001) == pytest.approx(256e-6 * 0.75 + 0.25)
    assert gbce_beta(0.5, 1000, 9) == pytest.approx(1.0), "no sample is larger than all"


def test_scores_far_out_stay_finite() -> None:
    users = torch.full((2, 1), 300.0, requires_grad=True)
    table = torch.tensor([[-1.0], [1.0], [-1.0]])
    for loss in (
        gbce_loss(users, table[[0, 1]], table[[1, 2]], 0.5),
        sampled_softmax_loss(users, table[[0, 1]], table[[1, 2]], torch.zeros(2)),
    ):
        assert math.isfinite(loss.item())
        assert torch.autograd.grad(loss, users)[0].isfinite().all()


def test_a_sample_that_is_nothing_but_the_target_teaches_nothing_against_it() -> None:
    users, table, targets = setting()
    negatives = targets[:1].repeat(K)
    taken = (negatives == targets.unsqueeze(1))[:1]
    loss = sampled_softmax_loss(users[:1], table[targets[:1]], table[negatives], torch.zeros(K), taken)
    assert abs(loss.item()) < 1e-6
    loss = gbce_loss(users[:1], table[targets[:1]], table[negatives], 0.5, taken)
    torch.testing.assert_close(loss, 0.5 * F.softplus(-(users[0] @ table[targets[0]])))

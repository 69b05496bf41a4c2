"""What a step holds, and that every objective gives the loss it names."""

import torch
from torch import Tensor

from recbole_mmm4rec.nn.losses import full_catalogue_loss, in_batch_loss, inner_products
from recbole_mmm4rec.nn.negatives import NegativeSampler
from recbole_mmm4rec.nn.objectives import (
    FullCatalogue,
    GeneralisedBCE,
    InBatch,
    Objective,
    SampledSoftmax,
    rows_of_items,
)

N, WIDTH = 50, 4
SEQ = torch.tensor([[4, 9, 0], [7, 0, 0], [4, 49, 50]])
TARGETS = torch.tensor([9, 3, 9])


def sampler() -> NegativeSampler:
    return NegativeSampler(torch.ones(N + 1, dtype=torch.int64))


def loss(objective: Objective, users: Tensor, table: Tensor) -> Tensor:
    step = objective.plan(SEQ, TARGETS)
    candidates = table if step.items is None else table[step.items]
    return objective(users, candidates, step, inner_products)


def inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, WIDTH), torch.randn(N + 1, WIDTH)


def test_rows_lead_back_to_the_items() -> None:
    items, rows, targets = rows_of_items(SEQ, TARGETS)
    assert items.tolist() == [0, 3, 4, 7, 9, 49, 50]
    assert torch.equal(items[rows], SEQ)
    assert torch.equal(items[targets], TARGETS)
    items, rows = rows_of_items(torch.tensor([[5]]))
    assert items.tolist() == [0, 5]
    assert rows.tolist() == [[1]]


def test_a_sample_needs_the_items_of_the_batch_and_its_negatives_only() -> None:
    for shared, shape in ((True, (6,)), (False, (3, 6))):
        step = SampledSoftmax(sampler(), 6, shared).plan(SEQ, TARGETS)
        assert step.items is not None
        assert step.negative_rows is not None
        assert step.negative_rows.shape == shape
        negatives = step.items[step.negative_rows]
        assert set(step.items.tolist()) == {
            0,
            *SEQ.unique().tolist(),
            *TARGETS.tolist(),
            *negatives.unique().tolist(),
        }
        assert torch.equal(step.items[step.item_seq], SEQ)
        assert torch.equal(step.items[step.target_rows], TARGETS)
        if shared:
            assert step.taken is not None
            assert torch.equal(step.taken, negatives == TARGETS.unsqueeze(1))
        else:
            assert not (negatives == TARGETS.unsqueeze(1)).any()


def test_full_and_in_batch_are_the_losses_of_their_names() -> None:
    users, table = inputs()
    for pad, chunk in ((False, 0), (True, 7)):
        expected = full_catalogue_loss(users, table, TARGETS, pad)
        torch.testing.assert_close(loss(FullCatalogue(pad, chunk), users, table), expected)
    for mask in (True, False):
        expected = in_batch_loss(users, table[TARGETS], TARGETS, mask)
        torch.testing.assert_close(loss(InBatch(mask), users, table), expected)


def test_in_batch_negatives_are_corrected_by_their_share_of_the_targets() -> None:
    users, table = inputs()
    counts = torch.zeros(N + 1, dtype=torch.int64)
    counts[[9, 3, 7]] = torch.tensor([6, 3, 1])
    scores, share = users @ table.T, counts / 10
    rows = []
    for b, others in enumerate([[3], [9, 9], [3]]):  # equal items are not negatives of each other
        wrong = [scores[b, j] - (2 * share[j]).log() for j in others]
        rows.append(torch.stack([scores[b, TARGETS[b]], *wrong]).logsumexp(0) - scores[b, TARGETS[b]])
    torch.testing.assert_close(loss(InBatch(counts=counts), users, table), torch.stack(rows).mean())
    alone = InBatch(counts=counts)
    step = alone.plan(SEQ[:1], TARGETS[:1])
    assert alone(users[:1], table[step.items], step, inner_products) == 0, "a batch of one has no negatives"


def test_many_draws_come_near_the_full_cross_entropy() -> None:
    users, table = inputs()
    expected = full_catalogue_loss(users, table, TARGETS)
    popular = NegativeSampler(torch.arange(N + 1))
    for shared in (True, False):
        for draws in (sampler(), popular):
            estimate = loss(SampledSoftmax(draws, 200_000, shared), users, table)
            torch.testing.assert_close(estimate, expected, atol=0.03, rtol=0)


def test_gbce_without_calibration_has_a_power_of_one() -> None:
    assert GeneralisedBCE(sampler(), 7, calibration=0.0).beta == 1.0
    assert GeneralisedBCE(sampler(), 7, calibration=1.0).beta == 7 / 49


def test_no_objective_keeps_state() -> None:
    counts = torch.ones(N + 1, dtype=torch.int64)
    for objective in (FullCatalogue(), InBatch(counts=counts), SampledSoftmax(sampler(), 2)):
        assert not objective.state_dict()
        assert not list(objective.parameters())

"""Draws of negatives: never the target, in proportion to the weights, repeated by the seed."""

import pytest
import torch

from recbole_mmm4rec.nn.negatives import NegativeSampler

WEIGHTS = torch.tensor([7, 3, 0, 1, 6, 2])  # the pad's is ignored, item 2 cannot be drawn


@pytest.mark.parametrize("target", [1, 3, 4, 5])
def test_a_targets_own_sample_never_holds_it_and_follows_the_weights(target: int) -> None:
    torch.manual_seed(0)
    items, log_expected = NegativeSampler(WEIGHTS).beside(torch.tensor([target]), 20_000)
    assert items.shape == log_expected.shape == (1, 20_000)
    assert not {0, 2, target} & set(items.unique().tolist())
    shares = torch.bincount(items[0], minlength=6) / 20_000
    rest = WEIGHTS.index_fill(0, torch.tensor([0, target]), 0).double()
    expected = (rest / rest.sum()).float()
    torch.testing.assert_close(shares, expected, atol=0.02, rtol=0)
    torch.testing.assert_close(log_expected[0].exp(), 20_000 * expected[items[0]])


def test_a_shared_sample_follows_the_weights() -> None:
    torch.manual_seed(0)
    items, log_expected = NegativeSampler(WEIGHTS).shared(20_000)
    expected = torch.tensor([0, 3, 0, 1, 6, 2]) / 12
    torch.testing.assert_close(torch.bincount(items, minlength=6) / 20_000, expected, atol=0.02, rtol=0)
    torch.testing.assert_close(log_expected.exp(), 20_000 * expected[items])


def test_the_only_other_item_is_all_there_is_to_draw() -> None:
    sampler = NegativeSampler(torch.ones(3, dtype=torch.int64))
    items, log_expected = sampler.beside(torch.tensor([1, 2, 2]), 4)
    assert items.tolist() == [[2] * 4, [1] * 4, [1] * 4]
    torch.testing.assert_close(log_expected, torch.full((3, 4), 4.0).log())


@pytest.mark.parametrize("weights", [[1, 1], [0, 0, 5], [3]], ids=str)
def test_two_items_are_needed(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two items"):
        NegativeSampler(torch.tensor(weights))


def test_the_seed_repeats_the_draws_and_nothing_is_saved() -> None:
    sampler, draws = NegativeSampler(WEIGHTS), []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append((sampler.shared(50)[0], sampler.beside(torch.tensor([1, 4]), 50)[0]))
    assert all(torch.equal(one, other) for one, other in zip(*draws, strict=True))
    assert not sampler.state_dict()
    assert WEIGHTS[0] == 7


def test_totals_beyond_32_bits() -> None:
    torch.manual_seed(0)
    sampler = NegativeSampler(torch.tensor([0, 2**40, 1, 2**40]))
    items = sampler.shared(1000)[0]
    assert 400 < (items == 1).sum() < 600
    assert set(items.tolist()) == {1, 3}

"""Gaps and moments as vectors."""

import math

import pytest
import torch

from recbole_mmm4rec.model.hm4sr.time_embedding import MomentEmbedding


def embedding(longest: float = 1000.0) -> MomentEmbedding:
    torch.manual_seed(0)
    return MomentEmbedding(6, 3, longest)


def test_agrees_with_the_formula() -> None:
    layer = embedding()
    gaps, moments = torch.tensor([[0.0, 1.0, 5.0, 900.0]]), torch.tensor([[3.0, 4.0, 9.0, 500.0]])
    vectors = layer(gaps, moments)[0]
    for place, (gap, moment) in enumerate(zip(gaps[0].tolist(), moments[0].tolist(), strict=True)):
        near = layer.gap.weight[math.floor(3 * math.log2(gap + 1))]
        phases = [
            10000 ** (-d / 6) * (layer.moment.weight[d, 0].item() * moment + layer.moment.bias[d].item())
            for d in range(6)
        ]
        far = torch.tensor([math.cos(phase) for phase in phases])
        torch.testing.assert_close(vectors[place], torch.cat([near, far]))


@pytest.mark.parametrize("gap", [999.0, 1000.0, 1e6, 1e30])
def test_longer_gaps_than_the_longest_share_its_bucket(gap: float) -> None:
    layer = embedding()
    vectors = layer(torch.tensor([[1000.0, gap]]), torch.zeros(1, 2))[0, :, :6]
    assert torch.equal(vectors[0], vectors[1])
    assert torch.equal(vectors[0], layer.gap.weight[-1])


def test_bfloat16_does_not_blur_moments() -> None:
    layer, moments = embedding(), torch.tensor([[17000.0, 17001.0]])
    exact = layer(torch.zeros(1, 2), moments)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(torch.zeros(1, 2), moments), exact)


def test_the_frequencies_are_in_no_checkpoint() -> None:
    assert set(embedding().state_dict()) == {"gap.weight", "moment.weight", "moment.bias"}

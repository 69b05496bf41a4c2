"""Length buckets: every row once, in the batch's order, with the fewest pads."""

import itertools

import pytest
import torch

from recbole_mmm4rec.nn.buckets import in_buckets, length_buckets


@pytest.mark.parametrize("most", [1, 2, 3, 8])
@pytest.mark.parametrize("lengths", [[1], [5, 5, 5], [1, 20], [3, 1, 4, 1, 5, 9, 2, 6], list(range(1, 21))])
def test_partition(lengths: list[int], most: int) -> None:
    rows = length_buckets(torch.tensor(lengths), most)
    assert sorted(torch.cat([r for r, _ in rows]).tolist()) == list(range(len(lengths)))
    assert len(rows) <= most
    for members, width in rows:
        assert max(lengths[i] for i in members.tolist()) == width


def cost_of(bounds: tuple[int, ...], lengths: list[int]) -> int:
    return sum(min(b for b in bounds if b >= length) for length in lengths)


def test_as_cheap_as_the_best_by_brute_force() -> None:
    lengths = [1, 1, 1, 2, 3, 3, 7, 8, 8, 12]
    cost = sum(len(rows) * width for rows, width in length_buckets(torch.tensor(lengths), 3))
    choices = itertools.combinations(sorted(set(lengths)), 3)
    assert cost == min(cost_of(bounds, lengths) for bounds in choices if bounds[-1] == max(lengths))


@pytest.mark.parametrize("overhead", [0.0, 4.0, 11.0, 1000.0])
def test_as_cheap_as_the_best_with_what_a_bucket_costs(overhead: float) -> None:
    lengths = [1, 1, 1, 2, 3, 3, 7, 8, 8, 12]
    buckets = length_buckets(torch.tensor(lengths), 8, overhead)
    cost = sum(len(rows) * width + overhead for rows, width in buckets)
    different = sorted(set(lengths))
    choices = [
        bounds
        for count in range(1, len(different) + 1)
        for bounds in itertools.combinations(different, count)
        if bounds[-1] == max(lengths)
    ]
    assert cost == min(cost_of(bounds, lengths) + overhead * len(bounds) for bounds in choices)
    assert len(buckets) == {0.0: 6, 1000.0: 1}.get(overhead, len(buckets))


@pytest.mark.parametrize("most", [1, 3])
def test_results_return_in_order(most: int) -> None:
    lengths = torch.tensor([4, 1, 3, 4, 2])
    values = torch.arange(5.0).unsqueeze(1).requires_grad_()
    out = in_buckets(
        lambda rows, width: values[rows] * 10 + (lengths[rows] <= width)[:, None],
        length_buckets(lengths, most),
    )
    torch.testing.assert_close(out, values * 10 + 1)
    out.sum().backward()
    assert values.grad is not None
    assert (values.grad == 10).all()

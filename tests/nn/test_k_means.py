"""k-means against its definition."""

import pytest
import torch

from recbole_mmm4rec.nn import k_means as module
from recbole_mmm4rec.nn.k_means import first_centroids, k_means, means, move_centroids, nearest


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("pairs", [1, 35, 2**24])
def test_nearest_is_nearest_however_many_are_compared_at_a_time(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SCORES", pairs)
    points, centroids = torch.randn(50, 4, generator=generator()), torch.randn(7, 4)
    assert torch.equal(nearest(points, centroids), torch.cdist(points, centroids).argmin(1))


def test_means_are_means() -> None:
    points = torch.tensor([[1.0, 2.0], [3.0, 4.0], [10.0, 0.0]])
    middles, counts = means(points, torch.tensor([2, 2, 0]), 4)
    assert middles.tolist() == [[10, 0], [0, 0], [2, 3], [0, 0]]
    assert counts.tolist() == [1, 0, 2, 0]


def test_separate_groups_are_found() -> None:
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    groups = torch.arange(90) % 3
    points = centres[groups] + 0.1 * torch.randn(90, 2, generator=generator())
    start = centres + 2
    numbers = k_means(points, start, 3, generator())
    assert torch.equal(numbers, groups)
    torch.testing.assert_close(start, means(points, groups, 3)[0])


def test_the_spread_never_grows() -> None:
    points = torch.randn(200, 3, generator=generator())
    centroids, spreads = first_centroids(points, 20, generator()), []
    for _ in range(8):
        numbers = k_means(points, centroids, 1, generator())
        spreads.append((points - centroids[numbers]).square().sum().item())
    assert spreads == sorted(spreads, reverse=True)


def test_an_empty_centroid_jumps_to_a_point() -> None:
    points = torch.randn(20, 2, generator=generator())
    centroids = torch.stack([points[0], torch.full((2,), 100.0)])
    move_centroids(points, nearest(points, centroids), centroids, generator())
    assert (points == centroids[1]).all(1).any()


def test_more_centroids_than_points_leave_the_rest_out_of_reach() -> None:
    points = torch.randn(3, 2, generator=generator())
    centroids = first_centroids(points, 5, generator())
    numbers = k_means(points, centroids, 4, generator())
    assert len(set(numbers.tolist())) == 3
    assert (centroids[3:] == module.OUT_OF_REACH).all()


def test_the_same_generator_gives_the_same_groups() -> None:
    points = torch.randn(100, 3, generator=generator())
    runs = [k_means(points, first_centroids(points, 30, g), 3, g) for g in (generator(), generator())]
    assert torch.equal(*runs)

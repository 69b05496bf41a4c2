"""Density peaks against a plain form of the definition."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.missrec import density_peaks as module
from recbole_mmm4rec.model.missrec.density_peaks import density_peaks


def by_hand(points: Tensor, count: int, neighbours: int) -> list[int]:
    """Centres in the order of density times distance."""
    distances = torch.cdist(points.double(), points.double())
    spread = distances.sort(1).values[:, :neighbours].square().mean(1)
    density = (-spread / spread.mean()).exp()
    scores = []
    for point in range(len(points)):
        denser = distances[point][density > density[point]]
        scores.append(density[point] * (denser.min() if len(denser) else distances[point].max()))
    return torch.stack(scores).topk(count).indices.tolist()


@pytest.mark.parametrize("numbers", [1, 90, 2**24])
def test_centres_are_dense_and_far_from_denser_ones(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DISTANCES", numbers)
    points = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    clusters, centroids = density_peaks(points, 6, 5)
    centres = by_hand(points, 6, 5)
    nearest = torch.cdist(points, points[centres]).argmin(1)
    assert torch.equal(clusters, nearest)
    for number in range(6):
        torch.testing.assert_close(centroids[number], points[clusters == number].mean(0))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_far_groups_are_found_at_any_scale(scale: float) -> None:
    groups = torch.arange(60) % 3
    points = 30.0 * groups.unsqueeze(1) + torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    clusters, _ = density_peaks(scale * points, 3, 10)
    assert len({(int(a), int(b)) for a, b in zip(groups, clusters, strict=True)}) == 3


def test_equal_points_do_not_stop_it() -> None:
    clusters, centroids = density_peaks(torch.ones(8, 2), 3, 4)
    assert clusters.max() < 3
    assert (centroids == 1).all()
    clusters, centroids = density_peaks(torch.randn(5, 2), 5, 9)
    assert sorted(clusters.tolist()) == [0, 1, 2, 3, 4]

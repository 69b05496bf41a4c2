"""The made-up vectors that an index is measured with."""

import torch

from recbole_mmm4rec.benchmark.index_costs import clustered


def test_vectors_lie_in_clusters() -> None:
    table, users = clustered(1_000, 16, 5)
    assert table.shape == (1_001, 16)
    assert not table[0].any()
    assert users.shape == (5, 16)
    cosines = torch.nn.functional.normalize(table[1:], dim=1)
    likest = (cosines @ cosines.T - 2 * torch.eye(1_000)).max(1).values
    assert likest.median() > 0.8

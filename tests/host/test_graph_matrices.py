"""The matrices over which RecBole's graph models pass messages, against numpy, on data with repeats.

``A`` (users + items, users + items) has 1 where a user chose an item, however often, ``D`` is its degrees.
Numbers 0 of users and items are the pads, which nothing may reach.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_mmm4rec.quick_start.training_run import build_model
from tests.host.test_closed_forms import folder, prepared, scores_of

__all__ = ["folder"]


@pytest.fixture
def repeats(folder: Path) -> Path:
    """Users who chose some items up to four times, the first ones more often."""
    path = folder / "atomic_data" / "made" / "made.inter"
    lines = path.read_text().splitlines()
    again = [
        f"{line.rsplit(chr(9), 1)[0]}\t{100_000 + n}" for n, line in enumerate(lines[1:61] + lines[1:31] * 2)
    ]
    path.write_text("\n".join(lines + again) + "\n")
    return path


def built(model: str, **values: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """The model, ``A`` and the degrees, which are 1 where there are none."""
    config, loaders = prepared(model, **values)
    dataset = loaders[0]._dataset
    counts = dataset.inter_matrix("csr").toarray()
    assert counts.max() > 1
    users, items = counts.shape
    matrix = np.zeros((users + items, users + items))
    matrix[:users, users:] = counts > 0
    matrix[users:, :users] = (counts > 0).T
    return build_model(config, dataset), matrix, np.maximum(matrix.sum(1), 1)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("LightGCN", "norm_adj_matrix"),
        ("NGCF", "norm_adj_matrix"),
        ("NCL", "norm_adj_mat"),
        ("GCMC", "Graph"),
    ],
)
def test_symmetric_normalisation(model: str, name: str, repeats: Path) -> None:
    made, matrix, degrees = built(model)
    expected = matrix / np.sqrt(np.outer(degrees, degrees))
    np.testing.assert_allclose(getattr(made, name).to_dense().numpy(), expected, atol=1e-6)


def test_spectral_cf_adds_the_random_walk_laplacian_to_the_identity(repeats: Path) -> None:
    made, matrix, degrees = built("SpectralCF")
    expected = 2 * np.eye(len(matrix)) - matrix / degrees[:, None]
    np.testing.assert_allclose(made.A_hat.to_dense().numpy(), expected, atol=1e-6)


def test_light_gcn_scores_are_means_over_powers(repeats: Path) -> None:
    """He et al. 2020: embeddings are the mean of those of 0 to K steps, scores their inner products."""
    made, matrix, degrees = built("LightGCN", n_layers=3)
    step = matrix / np.sqrt(np.outer(degrees, degrees))
    weights = torch.cat([made.user_embedding.weight, made.item_embedding.weight]).detach().numpy()
    mean = sum(np.linalg.matrix_power(step, power) for power in range(4)) @ weights / 4
    users, items = mean[1 : made.n_users], mean[made.n_users + 1 :]
    with torch.no_grad():
        np.testing.assert_allclose(scores_of(made.eval()), users @ items.T, atol=1e-6)


def test_dgcf_has_an_edge_in_both_directions_for_each_choice(repeats: Path) -> None:
    made, matrix, _ = built("DGCF", embedding_size=8, n_factors=2)
    edges = np.zeros_like(matrix)
    np.add.at(edges, (made.all_h_list.numpy(), made.all_t_list.numpy()), 1)
    np.testing.assert_array_equal(edges, matrix)

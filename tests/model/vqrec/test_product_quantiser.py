"""Product quantisation: nearest codes, better than without a rotation, repeatable, few items."""

import pytest
import torch

from recbole_mmm4rec.model.vqrec.product_quantiser import ProductQuantiser
from recbole_mmm4rec.model.vqrec.quantised_table import QuantisedTable
from recbole_mmm4rec.nn.item_table import FrozenFeatures


def correlated(rows: int, width: int, seed: int = 0) -> torch.Tensor:
    """Vectors whose first axes carry nearly everything, the worst case for fixed sub-spaces."""
    generator = torch.Generator().manual_seed(seed)
    scale = 2.0 ** -torch.arange(width)
    return torch.randn(rows, width, generator=generator) * scale + 3


def fitted(vectors: torch.Tensor, parts: int, values: int, **changes: int) -> ProductQuantiser:
    quantiser = ProductQuantiser(vectors.shape[1], parts, values)
    quantiser.fit(vectors, seed=0, **changes)
    return quantiser


def error(quantiser: ProductQuantiser, vectors: torch.Tensor) -> float:
    return (quantiser.decode(quantiser.encode(vectors)) - vectors).square().sum(1).mean().item()


@pytest.mark.parametrize(("width", "parts"), [(8, 4), (7, 3), (5, 5), (6, 1)])
def test_codes_are_the_nearest_centroids(width: int, parts: int) -> None:
    vectors = torch.randn(200, width)
    quantiser = fitted(vectors, parts, 6)
    rotated = torch.nn.functional.pad(vectors - quantiser.mean, (0, len(quantiser.rotation) - width))
    pieces = (rotated @ quantiser.rotation).unflatten(1, (parts, -1))
    distance = torch.cdist(pieces.transpose(0, 1), quantiser.centroids)
    codes = quantiser.encode(vectors, chunk=64)
    assert codes.shape == (200, parts)
    chosen = distance.gather(2, codes.T.unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(chosen, distance.min(2).values, rtol=1e-4, atol=1e-4)


def test_the_rotation_stays_one_and_pays() -> None:
    vectors = correlated(600, 8)
    plain, optimised = fitted(vectors, 4, 8, rounds=0), fitted(vectors, 4, 8)
    eye = torch.eye(8)
    torch.testing.assert_close(optimised.rotation @ optimised.rotation.T, eye, rtol=0, atol=1e-4)
    assert error(optimised, vectors) < 0.8 * error(plain, vectors)


def test_more_values_lose_less() -> None:
    vectors = torch.randn(500, 8)
    assert error(fitted(vectors, 4, 32), vectors) < error(fitted(vectors, 4, 4), vectors)


def test_a_seed_makes_it_repeat() -> None:
    vectors = torch.randn(300, 8)
    first, second = fitted(vectors, 4, 8), fitted(vectors, 4, 8)
    assert torch.equal(first.encode(vectors), second.encode(vectors))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_fewer_items_than_centroids_are_told_apart(rows: int) -> None:
    vectors = torch.randn(rows, 8)
    quantiser = fitted(vectors, 4, 16)
    assert error(quantiser, vectors) < 1e-6
    assert len({tuple(codes) for codes in quantiser.encode(vectors).tolist()}) == rows


def test_no_centroid_stays_empty() -> None:
    torch.manual_seed(0)
    vectors = torch.cat([torch.zeros(50, 4), torch.randn(200, 4)])
    quantiser = fitted(vectors, 2, 16, iterations=10)
    used = [len(set(codes)) for codes in quantiser.encode(vectors).T.tolist()]
    assert min(used) >= 14


def test_the_table_is_fitted_once_and_only_if_nothing_was_loaded() -> None:
    features = FrozenFeatures(torch.cat([torch.zeros(1, 8), torch.randn(40, 8)]))
    table = QuantisedTable(features, 4, 6, 10, seed=3)
    assert not table.quantiser.fitted
    rows = table.rows()
    assert table.quantiser.fitted
    assert table.rows() is rows
    again = QuantisedTable(features, 4, 6, 10, seed=99)
    again.load_state_dict(table.state_dict())
    assert torch.equal(again.rows(), rows)
    assert table(torch.tensor([0, 3])).shape == (2, 10)


def test_the_vector_of_an_item_is_the_mean_of_its_rows() -> None:
    features = FrozenFeatures(torch.cat([torch.zeros(1, 8), torch.randn(40, 8)]))
    table = QuantisedTable(features, 4, 6, 10, seed=3)
    weight = table.codes.embedding.weight
    torch.testing.assert_close(table()[7], weight[table.rows()[7]].mean(0))
    table().sum().backward()
    assert weight.grad is not None
    assert not weight.grad[0].any()

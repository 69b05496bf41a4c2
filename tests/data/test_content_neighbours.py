"""Likeness of items against loops over pairs, with items that lack a modality, twins and one item alone."""

import numpy as np
import pytest
import scipy.sparse
import torch

from recbole_mmm4rec.data import content_neighbours as module
from recbole_mmm4rec.data.content_neighbours import (
    SHARPNESS,
    capped,
    content_neighbours,
    neighbours_among,
    shared_out,
)

N = 9


def modality(seed: int, missing: tuple[int, ...] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of all items but the pad and those that lack them."""
    matrix = torch.from_numpy(np.random.default_rng(seed).normal(size=(N, 4)).astype(np.float32)) + 0.5
    present = torch.ones(N, dtype=torch.bool)
    present[[0, *missing]] = False
    return matrix * present.unsqueeze(1), present


def by_hand(modalities: list[tuple[torch.Tensor, torch.Tensor]], most: int) -> np.ndarray:
    total = np.zeros((N, N))
    for matrix, present in modalities:
        rows = matrix.double().numpy()
        for item in np.flatnonzero(present):
            others = [other for other in np.flatnonzero(present) if other != item]
            length = np.linalg.norm(rows, axis=1)
            cosines = [rows[item] @ rows[other] / length[item] / length[other] for other in others]
            found = np.maximum(cosines, 0) ** SHARPNESS
            chosen = np.argsort(found)[::-1][:most]
            for place in chosen:
                total[item, others[place]] += found[place]
    return total


@pytest.mark.parametrize("block", [1, 2, 100])
@pytest.mark.parametrize("most", [1, 3, 20])
def test_weights_are_those_of_a_loop(most: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", most)
    monkeypatch.setattr(module, "_CELLS", N * block)
    monkeypatch.setattr(module, "_ROWS", block)
    modalities = [modality(0), modality(1, missing=(3, 4, 8))]
    found = content_neighbours(modalities, N)
    np.testing.assert_allclose(found.toarray(), by_hand(modalities, most), rtol=1e-4, atol=1e-6)
    assert (shared_out(found).toarray().sum(1) > 0.99).sum() > 5


def test_weights_that_are_nearly_nothing_are_shared_out_too() -> None:
    """The reciprocal of their sum is beyond a float32."""
    weights = scipy.sparse.csr_matrix([[0, 1e-40, 1e-40]], dtype=np.float32)
    np.testing.assert_allclose(shared_out(weights).toarray(), [[0, 0.5, 0.5]], rtol=1e-3)
    assert capped(weights).toarray().max() < 1e-39


def test_rows_are_shared_out_or_capped() -> None:
    weights = scipy.sparse.csr_matrix([[0, 0.5, 0.25], [0, 0, 0], [3, 1, 0]], dtype=np.float32)
    assert shared_out(weights).toarray().tolist() == [
        [0, pytest.approx(2 / 3), pytest.approx(1 / 3)],
        [0, 0, 0],
        [0.75, 0.25, 0],
    ]
    assert capped(weights).toarray().tolist() == [[0, 0.5, 0.25], [0, 0, 0], [0.75, 0.25, 0]]
    assert shared_out(weights).dtype == capped(weights).dtype == np.float32


def test_twins_are_nearest_and_features_of_half_precision_do() -> None:
    matrix, present = modality(0)
    matrix[5] = matrix[2]
    found = content_neighbours([(matrix.half(), present)], N).toarray()
    assert (found[5].argmax(), found[2].argmax()) == (2, 5)
    assert not found.diagonal().any()


@pytest.mark.parametrize("owners", [(), (4,)])
def test_an_item_alone_is_like_nobody(owners: tuple[int, ...]) -> None:
    matrix, present = modality(0, missing=tuple(n for n in range(1, N) if n not in owners))
    assert content_neighbours([(matrix, present)], N).nnz == 0
    assert content_neighbours([], N).nnz == 0


def test_opposites_are_not_alike() -> None:
    """Cosines of 0 and below weigh nothing; such an item has no neighbours, and nothing is divided by 0."""
    matrix = torch.zeros(4, 2)
    matrix[1:] = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    found = content_neighbours([(matrix, torch.tensor([False, True, True, True]))], 4).toarray()
    assert not found.any()


@pytest.mark.parametrize("block", [1, 100])
@pytest.mark.parametrize("most", [1, 3, 20])
def test_neighbours_in_another_table_are_those_of_a_loop(
    most: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items 6, 7 and 8 ask among the pad and items 1 to 5; no row of both tables is the same item."""
    monkeypatch.setattr(module, "MOST", most)
    monkeypatch.setattr(module, "_CELLS", N * block)
    whole = [modality(0), modality(1, missing=(3, 4, 8))]
    pairs = [((m[6:], p[6:]), (m[:6], p[:6])) for m, p in whole]
    apart = []
    for matrix, present in whole:  # one at a time, so that they are not each other's neighbours
        rows = np.stack([_among(matrix, present, item, most) for item in (6, 7, 8)])
        apart.append(rows)
    np.testing.assert_allclose(neighbours_among(pairs, (3, 6)).toarray(), sum(apart), rtol=1e-4, atol=1e-6)


def _among(matrix: torch.Tensor, present: torch.Tensor, item: int, most: int) -> np.ndarray:
    found, rows = np.zeros(6), matrix.double().numpy()
    if present[item]:
        for other in np.flatnonzero(present[:6]):
            cosine = rows[item] @ rows[other] / np.linalg.norm(rows[item]) / np.linalg.norm(rows[other])
            found[other] = max(cosine, 0) ** SHARPNESS
    found[np.argsort(found)[: max(0, 6 - most)]] = 0
    return found


def test_where_nobody_has_features_nobody_is_like_another() -> None:
    matrix, present = modality(0)
    nobody = matrix[:2], torch.zeros(2, dtype=torch.bool)
    for pair in ((nobody, (matrix, present)), ((matrix, present), nobody)):
        shape = len(pair[0][1]), len(pair[1][1])
        assert neighbours_among([pair], shape).nnz == 0

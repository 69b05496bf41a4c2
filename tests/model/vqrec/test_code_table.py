"""Code embeddings and the permutation between two indices."""

import pytest
import torch

from recbole_mmm4rec.model.vqrec.code_table import CodePermutation, CodeTable


def test_every_part_has_its_own_rows() -> None:
    table = CodeTable(3, 4, 6)
    assert table.embedding.weight.shape == (15, 6)
    assert table.rows(torch.tensor([[0, 0, 0], [3, 3, 3]])).tolist() == [[1, 6, 11], [4, 9, 14]]


def test_an_item_without_codes_is_row_zero_and_teaches_nothing() -> None:
    table = CodeTable(3, 4, 6)
    vectors = table(torch.tensor([[0, 0, 0], [1, 6, 11]]))
    torch.testing.assert_close(vectors[0], table.embedding.weight[0])
    vectors.sum().backward()
    grad = table.embedding.weight.grad
    assert grad is not None
    assert grad.abs().sum(1).nonzero().squeeze(1).tolist() == [1, 6, 11]


@pytest.mark.parametrize("iterations", [3, 30])
def test_soft_assignments_come_near_to_doubly_stochastic(iterations: int) -> None:
    torch.manual_seed(0)
    soft = CodePermutation(2, 5, iterations=iterations).soft()
    torch.testing.assert_close(soft.sum(1), torch.ones(2, 6))
    assert (soft.sum(2) - 1).abs().max() < (0.5 if iterations == 3 else 1e-3)


def test_a_strong_preference_is_followed_and_gets_a_gradient() -> None:
    permutation, table = CodePermutation(2, 3), torch.arange(8.0).unsqueeze(1) * torch.ones(1, 2)
    with torch.no_grad():
        permutation.weight.fill_(-5.0)
        permutation.weight[:, torch.arange(4), torch.tensor([0, 2, 3, 1])] = 5.0
    moved = permutation(table, torch.zeros(2, 4, 4))
    assert moved[:, 0].tolist() == [0, 2, 3, 1, 4, 6, 7, 5]
    moved.square().sum().backward()
    assert permutation.weight.grad is not None
    assert permutation.weight.grad.abs().max() > 0

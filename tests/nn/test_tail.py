"""The last positions of right-padded histories."""

import torch

from recbole_mmm4rec.nn.tail import Tail, at_positions


def test_positions_validity_and_rows() -> None:
    x = torch.arange(12.0).view(2, 6, 1)
    tail = Tail(torch.tensor([6, 2]), 3)
    assert tail.positions.tolist() == [[3, 4, 5], [0, 0, 1]]
    assert tail.valid.tolist() == [[True] * 3, [False, True, True]]
    assert tail.of(x).squeeze(-1).tolist() == [[3, 4, 5], [6, 6, 7]]


def test_never_wider_than_the_longest_history() -> None:
    tail = Tail(torch.tensor([2, 1]), 1)
    assert tail.wider(3, 2).size == 2
    assert tail.wider(3, 20).size == 4


def test_rows_at_positions_as_gathered_number_by_number() -> None:
    """The twin in value and gradient; a position that is read twice, and rows that are not contiguous."""
    whole = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    x, positions = whole[..., 2:6], torch.tensor([[0, 0], [4, 2], [1, 3]])
    expected = x.gather(1, positions.unsqueeze(-1).expand(-1, -1, 4))
    rows, weights = at_positions(x, positions), torch.randn(3, 2, 4, dtype=torch.float64)
    assert torch.equal(rows, expected)
    grads = (torch.autograd.grad((result * weights).sum(), whole)[0] for result in (rows, expected))
    torch.testing.assert_close(*grads, rtol=0, atol=1e-15)

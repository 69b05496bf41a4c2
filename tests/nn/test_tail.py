"""The last positions of right-padded histories."""

import torch

from recbole_mmm4rec.nn.tail import Tail


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

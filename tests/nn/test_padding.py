"""Histories moved to one end of a fixed length."""

import pytest
import torch

from recbole_mmm4rec.nn.padding import pad_to


@pytest.mark.parametrize(
    ("side", "placed", "last"),
    [
        ("right", [[3, 0, 0, 0, 0], [4, 5, 6, 0, 0]], [0, 2]),
        ("left", [[0, 0, 0, 0, 3], [0, 0, 4, 5, 6]], [4, 4]),
    ],
)
def test_pads_go_to_their_side(side: str, placed: list[list[int]], last: list[int]) -> None:
    item_seq, lengths = torch.tensor([[3, 0, 0], [4, 5, 6]]), torch.tensor([1, 3])
    seq, read = pad_to(item_seq, lengths, 5, side)
    assert seq.tolist() == placed
    assert read.tolist() == last


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_full_history_stays(side: str) -> None:
    item_seq = torch.tensor([[3, 4, 5]])
    seq, read = pad_to(item_seq, torch.tensor([3]), 3, side)
    assert torch.equal(seq, item_seq)
    assert read.tolist() == [2]

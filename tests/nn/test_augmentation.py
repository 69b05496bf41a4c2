"""Second views of a history."""

import pytest
import torch

from recbole_mmm4rec.nn.augmentation import drop_items, keep_mask, some_positions


def plain(row: list[int], keep: list[bool], later_wins: bool) -> list[int]:
    """Item by item, as the released code writes them."""
    shorter: list[int] = []
    for item, stays in zip(row, keep, strict=True):
        if stays:
            shorter.append(item)
        elif later_wins:
            shorter[-1] = item
    return shorter


@pytest.mark.parametrize("later_wins", [True, False])
def test_agrees_with_its_plain_twin(later_wins: bool) -> None:
    torch.manual_seed(0)
    lengths = torch.randint(1, 10, (50,))
    item_seq = torch.randint(1, 99, (50, 9)) * (torch.arange(9) < lengths.unsqueeze(1))
    keep = keep_mask(lengths, 9, 0.5)
    shorter, kept = drop_items(item_seq, lengths, keep, later_wins)
    for row in range(50):
        n = int(lengths[row])
        expected = plain(item_seq[row, :n].tolist(), keep[row, :n].tolist(), later_wins)
        assert shorter[row].tolist() == expected + [0] * (9 - len(expected))
        assert kept[row] == len(expected)


def test_the_first_item_and_all_pads_are_kept() -> None:
    lengths = torch.tensor([1, 3, 5])
    keep = keep_mask(lengths, 5, drop=1.0)
    assert keep.tolist() == [[True] * 5, [True, False, False, True, True], [True] + [False] * 4]
    assert keep_mask(lengths, 5, drop=0.0).all()
    dropped = keep_mask(lengths, 5, drop=1.0, keep_first=False)
    assert torch.equal(dropped, torch.arange(5) >= lengths.unsqueeze(1))


def test_about_as_many_are_dropped_as_asked() -> None:
    torch.manual_seed(0)
    keep = keep_mask(torch.full((4000,), 5), 5, 0.2)
    assert abs(keep[:, 1:].float().mean().item() - 0.8) < 0.02


@pytest.mark.parametrize(
    ("share", "expected"), [(0.3, [0, 0, 1, 2, 3]), (0.0, [0] * 5), (1.0, [1, 2, 4, 7, 10])]
)
def test_a_share_of_every_history_is_drawn(share: float, expected: list[int]) -> None:
    lengths, ever = torch.tensor([1, 2, 4, 7, 10]), torch.zeros(5, 12, dtype=torch.bool)
    for seed in range(40):
        torch.manual_seed(seed)
        drawn = some_positions(lengths, 12, share)
        assert drawn.sum(1).tolist() == expected
        ever |= drawn
    valid = torch.arange(12) < lengths.unsqueeze(1)
    assert torch.equal(ever, valid & (torch.tensor(expected) > 0).unsqueeze(1))

"""Second views of a history, for contrastive losses (UniSRec, HM4SR)."""

import torch
from torch import Tensor

from recbole_mmm4rec.nn.padding import valid_positions


def keep_mask(lengths: Tensor, width: int, drop: float, keep_first: bool = True) -> Tensor:
    """Which positions a view keeps: each with probability 1 - ``drop``.

    Args:
        lengths: (B,) int64.
        width: W.
        drop: probability.
        keep_first: the first position is kept always.

    Returns:
        (B, W) bool; true at pads.
    """
    keep = torch.rand(len(lengths), width, device=lengths.device) >= drop
    keep[:, 0] |= keep_first
    return keep | ~valid_positions(lengths, width)


def some_positions(lengths: Tensor, width: int, share: float) -> Tensor:
    """Which positions a view replaces: of every history ``share`` of its items, rounded down.

    Args:
        lengths: (B,) int64.
        width: W.
        share: of the items.

    Returns:
        (B, W) bool; False at pads.
    """
    draws = torch.rand(len(lengths), width, device=lengths.device)
    ranks = draws.masked_fill(~valid_positions(lengths, width), torch.inf).argsort(1).argsort(1)
    wanted = (share * lengths + 1e-6).long()  # 0.3 of 10 are three, whatever the rounding
    return ranks < wanted.unsqueeze(1)


def drop_items(
    item_seq: Tensor, lengths: Tensor, keep: Tensor, later_wins: bool = False
) -> tuple[Tensor, Tensor]:
    """Leave items out and close the gaps.

    Args:
        item_seq: (B, W) int64, right-padded with 0.
        lengths: (B,) int64.
        keep: (B, W) bool, the first position true.
        later_wins: write a dropped item over the kept one before it, as the released UniSRec does on a CPU.

    Returns:
        (B, W) int64 shorter histories, (B,) int64 their lengths.
    """
    width = item_seq.shape[1]
    valid = valid_positions(lengths, width)
    slot = (keep & valid).cumsum(1) - 1
    position = torch.arange(width, device=item_seq.device).expand_as(item_seq)
    source = torch.full_like(item_seq, -1 if later_wins else width)
    written = torch.where(valid, position, source)  # pads write nothing
    source = source.scatter_reduce(1, slot, written, "amax" if later_wins else "amin")
    kept = (keep & valid).sum(1)
    shorter = item_seq.gather(1, source.clamp(0, width - 1))
    return shorter * valid_positions(kept, width), kept

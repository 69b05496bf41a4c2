"""Which positions of right-padded histories hold an interaction, and histories moved to full length."""

import torch
from torch import Tensor

SIDES = ("left", "right")


def valid_positions(lengths: Tensor, width: int) -> Tensor:
    """(B,) int64 -> (B, width) bool, true at the positions that hold an interaction."""
    return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)


def pad_to(item_seq: Tensor, lengths: Tensor, length: int, side: str) -> tuple[Tensor, Tensor]:
    """Put every history at one end of ``length`` positions.

    Args:
        item_seq: (B, W) int64, right-padded with 0, W <= length.
        lengths: (B,) int64.
        length: L.
        side: where the pads go, ``left`` or ``right``.

    Returns:
        (B, L) int64 histories and (B,) int64 the position of the last item.
    """
    first = torch.zeros_like(lengths) if side == "right" else length - lengths
    source = torch.arange(length, device=lengths.device) - first.unsqueeze(1)
    valid = (source >= 0) & (source < lengths.unsqueeze(1))
    placed = item_seq.gather(1, source.clamp(0, item_seq.shape[1] - 1)) * valid
    return placed, first + lengths - 1

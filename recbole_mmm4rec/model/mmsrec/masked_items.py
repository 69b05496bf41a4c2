"""Which items of a sequence a masked model has to guess, and what it sees in their place (BERT's rule)."""

from dataclasses import dataclass

import torch
from torch import Tensor

RANDOM_SHARE, KEPT_SHARE = 0.1, 0.1
"""Of the positions to guess: those that show a random item, and those that show the item itself."""


@dataclass(frozen=True)
class MaskDraws:
    """Random draws for sequences (B, S).

    Attributes:
        predicted: bool, positions to guess beside the last one.
        shown: float in [0, 1): below RANDOM_SHARE a random item, then up to KEPT_SHARE more the item itself.
        others: int64, random items.
    """

    predicted: Tensor
    shown: Tensor
    others: Tensor


def draw_masks(item_seq: Tensor, n_items: int, ratio: float) -> MaskDraws:
    """Draws for sequences (B, S) int64 over items 1..n_items-1, each position with probability ``ratio``."""
    uniform = torch.rand((2, *item_seq.shape), device=item_seq.device)
    others = torch.randint(1, n_items, item_seq.shape, device=item_seq.device)
    return MaskDraws(uniform[0] < ratio, uniform[1], others)


def mask_items(item_seq: Tensor, last: Tensor, draws: MaskDraws) -> tuple[Tensor, Tensor, Tensor]:
    """Apply the draws.

    Args:
        item_seq: (B, S) int64, right-padded with 0.
        last: (B,) int64 position of the last item, which is always to guess and never shown.
        draws: for these sequences.

    Returns:
        (B, S) int64 items that are seen, (B, S) bool where the mask token stands instead, (B, S) bool what
        is to guess.
    """
    at_end = torch.arange(item_seq.shape[1], device=last.device) == last.unsqueeze(1)
    inner = draws.predicted & (item_seq > 0) & ~at_end
    seen = torch.where(inner & (draws.shown < RANDOM_SHARE), draws.others, item_seq)
    masked = inner & (draws.shown >= RANDOM_SHARE + KEPT_SHARE)
    return seen, masked | at_end, inner | at_end

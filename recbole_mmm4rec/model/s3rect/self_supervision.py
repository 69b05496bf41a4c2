"""Random draws and losses of S3-Rec's pre-training.

Source: Zhou et al., "S3-Rec: Self-supervised learning for sequential recommendation with mutual information
maximization", CIKM 2020, equations (5) to (8). Losses are sums, as in the released codes.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.chunks import in_chunks
from recbole_mmm4rec.nn.padding import valid_positions


@dataclass(frozen=True)
class Views:
    """What a batch of histories becomes; every field (B, W) int64, right-padded with 0.

    Attributes:
        masked: histories with some items replaced by the mask token.
        positive: the histories.
        negative: the same with another item at every masked position.
        masked_segment: histories with a run of items replaced by the mask token.
        positive_segment: that run, mask tokens around it.
        negative_segment: as long a run from elsewhere in the batch, mask tokens around it.
    """

    masked: Tensor
    positive: Tensor
    negative: Tensor
    masked_segment: Tensor
    positive_segment: Tensor
    negative_segment: Tensor

    def take(self, rows: Tensor, width: int) -> "Views":
        """Those of the histories ``rows`` (b,) int64, trimmed to ``width`` positions."""
        return Views(*(getattr(self, field.name)[rows, :width] for field in fields(self)))


def draw_views(item_seq: Tensor, lengths: Tensor, n_items: int, mask_ratio: float) -> Views:
    """Draw the views of a batch.

    Args:
        item_seq: (B, W) int64, right-padded with 0.
        lengths: (B,) int64.
        n_items: N + 1, which is also the number of the mask token.
        mask_ratio: probability of an item to be masked.
    """
    valid = valid_positions(lengths, item_seq.shape[1])
    hidden = (torch.rand(item_seq.shape, device=item_seq.device) < mask_ratio) & valid
    segment, start = draw_segments(lengths, item_seq.shape[1])
    other = _elsewhere(item_seq[valid], segment, start)
    outside = valid & ~segment
    positive, negative = item_seq * segment, other * segment
    single = (lengths < 2).unsqueeze(1)  # nothing to cut out of one item: all three are the history
    return Views(
        item_seq.masked_fill(hidden, n_items),
        item_seq,
        torch.where(hidden, other_items(item_seq, n_items), item_seq),
        torch.where(single, item_seq, item_seq.masked_fill(segment, n_items)),
        torch.where(single, item_seq, positive.masked_fill(outside, n_items)),
        torch.where(single, item_seq, negative.masked_fill(outside, n_items)),
    )


def other_items(item_seq: Tensor, n_items: int) -> Tensor:
    """A uniformly drawn item, never the one that is there: ids 1..N in the shape of ``item_seq``."""
    if n_items <= 2:
        return item_seq
    shift = torch.randint(1, n_items - 1, item_seq.shape, device=item_seq.device)
    return (item_seq - 1 + shift) % (n_items - 1) + 1


def draw_segments(lengths: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """A run of 1 to half of the items of every history.

    Returns:
        (B, W) bool, the run, and (B,) int64, its first position.
    """
    draw = torch.rand(2, len(lengths), device=lengths.device)
    size = 1 + (draw[0] * (lengths // 2).clamp_min(1)).long()
    start = (draw[1] * (lengths - size + 1)).long()
    position = torch.arange(width, device=lengths.device)
    inside = (position >= start.unsqueeze(1)) & (position < (start + size).unsqueeze(1))
    return inside, start


def _elsewhere(items: Tensor, segment: Tensor, start: Tensor) -> Tensor:
    """Items (n,) of the whole batch in a row: as long a run for every segment, in its place (B, W)."""
    offset = torch.arange(segment.shape[1], device=items.device) - start.unsqueeze(1)
    first = (torch.rand(len(start), device=items.device) * len(items)).long()
    return items[(first.unsqueeze(1) + offset) % len(items)]


def attribute_loss(states: Tensor, items: Tensor, attributes: Tensor, chunk: int = 0) -> Tensor:
    """Binary cross-entropies of every attribute at every state, where an item is its own attribute.

    Args:
        states: (n, D).
        items: (n,) int64, the item of every state.
        attributes: (N + 1, D).
        chunk: attributes at a time; 0: all, n x N scores stay in memory and nothing is computed twice.

    Returns:
        () float32, the sum: ``softplus`` of all scores minus the right ones.
    """
    right = (states * attributes[items]).sum()
    return in_chunks(lambda part: _all_wrong(states, part), [attributes], chunk).sum() - right


def _all_wrong(states: Tensor, attributes: Tensor) -> Tensor:
    """(n, D), (m, D) -> (m,) float32: what every attribute costs where no state has it."""
    return F.softplus((states @ attributes.T).float()).sum(0)


def agreement_loss(states: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """``-log sigmoid(sigmoid(s . p) - sigmoid(s . n))``, summed: (n, D) three times -> () float32."""
    right, wrong = ((states * other).sum(-1).float().sigmoid() for other in (positive, negative))
    return -F.logsigmoid(right - wrong).sum()

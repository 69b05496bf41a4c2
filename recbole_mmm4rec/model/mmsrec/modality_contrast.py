"""MMSRec's pre-training: items in context, seen by pictures, by texts and by both, attract each other."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from recbole_mmm4rec.nn.sharing import part_of_sum, rows_of_all, summed

_EQUAL = -1e30
"""Score of the same item elsewhere; not infinite, so that a block of nothing else has gradients."""

Kind = tuple[str, ...]
"""Modalities that a view sees."""


def view_pairs(names: Kind) -> list[tuple[Kind, Kind]]:
    """Pairs of views: every modality with itself, with the other one, and both with both."""
    single: list[tuple[Kind, Kind]] = [((name,), (name,)) for name in names]
    return single if len(names) == 1 else [*single, (names[:1], names[1:]), (names, names)]


def modality_contrasts(
    view: Callable[[Kind], Tensor],
    names: Kind,
    present: Tensor,
    items: Tensor,
    temperature: float,
    mask_equal: bool = True,
    chunk: int = 0,
    keep_absent: bool = False,
) -> dict[str, Tensor]:
    """InfoNCE of every pair of views, in both directions.

    Args:
        view: makes vectors (n, D) of the n items in context; each call draws its own dropout.
        names: the one or two modalities.
        present: (n, M) bool, the modalities that an item has.
        items: (n,) int64.
        temperature: divides the cosines.
        mask_equal: the same item elsewhere is not a negative.
        chunk: see :func:`symmetric_contrast`.
        keep_absent: a term holds all items, those that lack a side with the vector that ``view`` gives them
            (the same constant for all in the released code); else only the items that have both sides.

    Returns:
        () float32 by the names of the views; a term without any item is left out.
    """
    pairs = view_pairs(names)
    kinds = {one: (view(one), view(one)) for one, other in pairs if one == other}
    terms = {}
    for one, other in pairs:
        kept = (_seen(present, names, one) & _seen(present, names, other)) | keep_absent
        if summed(kept.sum()) > 0:
            a, b = (F.normalize(vectors[kept], dim=-1) for vectors in (kinds[one][0], kinds[other][1]))
            loss = symmetric_contrast(a, b / temperature, items[kept], mask_equal, chunk)
            terms[f"{'+'.join(one)} {'+'.join(other)}"] = loss
    return terms


def symmetric_contrast(
    a: Tensor, b: Tensor, items: Tensor, mask_equal: bool = True, chunk: int = 0
) -> Tensor:
    """Cross-entropy of b among all b's for every a, plus that of a among all a's for every b.

    Processes that share a batch score their own a's with the b's of all, and put their sums for a b together.

    Args:
        a, b: (n, D), row by row pairs; one of them divided by the temperature.
        items: (n,) int64.
        mask_equal: the same item in another row is not a negative.
        chunk: rows whose scores are held in memory, computed again in the backward pass; 0: all.

    Returns:
        () float32.
    """

    batch = rows_of_all(len(items), items.device)
    every_b, every_item = batch.gather(b), batch.gather(items)
    columns = torch.arange(batch.total, device=items.device)[batch.own]

    def block(rows: Tensor, a: Tensor, every_b: Tensor) -> tuple[Tensor, Tensor]:
        scores = (a[rows] @ every_b.T).float()
        if mask_equal:
            same = items[rows].unsqueeze(1) == every_item
            scores = scores.masked_fill(same.scatter_(1, columns[rows].unsqueeze(1), False), _EQUAL)
        return scores.logsumexp(1), scores.logsumexp(0)

    rows = torch.arange(len(items), device=items.device)
    if chunk <= 0 or chunk >= len(rows):
        blocks = [block(rows, a, every_b)]
    else:
        blocks = [checkpoint(block, part, a, every_b, use_reentrant=False) for part in rows.split(chunk)]
    of_a, of_b = zip(*blocks, strict=True)
    sums = rows_of_all(1, items.device).gather(torch.stack(of_b).logsumexp(0).unsqueeze(0)).logsumexp(0)
    right = (a * b).sum(1).float()
    return part_of_sum((torch.cat(of_a) + sums[batch.own] - 2 * right).sum()) / batch.total


def _seen(present: Tensor, names: Kind, kind: Kind) -> Tensor:
    """(n,) bool, items of which a view sees something."""
    return present[:, [names.index(name) for name in kind]].any(1)

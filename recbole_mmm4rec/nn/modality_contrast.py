"""MMSRec's pre-training: items in context, seen by pictures, by texts and by both, attract each other."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.losses import in_batch_loss

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
) -> dict[str, Tensor]:
    """InfoNCE of every pair of views, in both directions.

    Args:
        view: makes vectors (n, D) of the n items in context; each call draws its own dropout.
        names: the one or two modalities.
        present: (n, M) bool, modalities an item has: what it lacks is in no term.
        items: (n,) int64.
        temperature: divides the cosines.
        mask_equal: the same item elsewhere is no negative.
        chunk: items a chunk, see :func:`~recbole_mmm4rec.nn.losses.in_batch_loss`.

    Returns:
        () float32 by the names of the views; a term that no item has both sides of is left out.
    """
    pairs = view_pairs(names)
    kinds = {one: (view(one), view(one)) for one, other in pairs if one == other}
    terms = {}
    for one, other in pairs:
        kept = _seen(present, names, one) & _seen(present, names, other)
        if kept.any():
            a, b = (F.normalize(vectors[kept], dim=-1) for vectors in (kinds[one][0], kinds[other][1]))
            ways = [
                in_batch_loss(x, y / temperature, items[kept], mask_equal, chunk=chunk)
                for x, y in ((a, b), (b, a))
            ]
            terms[f"{'+'.join(one)} {'+'.join(other)}"] = torch.stack(ways).sum()
    return terms


def _seen(present: Tensor, names: Kind, kind: Kind) -> Tensor:
    """(n,) bool, items of which a view sees something."""
    return present[:, [names.index(name) for name in kind]].any(1)

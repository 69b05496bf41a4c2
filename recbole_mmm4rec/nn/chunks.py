"""The same map over many rows, a few at a time: only one chunk's activations are in memory."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def in_chunks(
    function: Callable[..., Tensor], parts: Sequence[Tensor], chunk: int, rows: int | None = None
) -> Tensor:
    """``function(*parts)`` for a function that treats each row independently.

    With gradients, a chunk's activations are computed again in the backward pass, from the same random draws,
    so that value and gradients are those of the whole.

    Args:
        function: (n, ...) tensors -> (n, D).
        parts: what it is called with, each (n, ...).
        chunk: rows at a time; 0: all at once, nothing is computed twice.
        rows: of all such calls together, whose activations would otherwise be in memory at once.

    Returns:
        (n, D).
    """
    if chunk <= 0 or chunk >= (rows or len(parts[0])):
        return function(*parts)
    calls = zip(*(part.split(chunk) for part in parts), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([function(*call) for call in calls])
    return torch.cat([checkpoint(function, *call, use_reentrant=False) for call in calls])

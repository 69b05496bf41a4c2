"""Length buckets: a batch is encoded in groups of similar length, so that little is computed on pads.

A bucket saves pads and costs the start of every operation once more: small batches want fewer of them.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

MOST_BUCKETS = 16
"""Length groups at most, where nothing else is said."""


def length_buckets(lengths: Tensor, most: int, overhead: float = 0.0) -> list[tuple[Tensor, int]]:
    """Split a batch by history length into at most ``most`` groups that are cheapest together.

    Args:
        lengths: (B,) int64, each at least 1.
        most: upper bound on the number of groups.
        overhead: what a group costs beside its rows x width positions, in positions; 0: the groups are
            those with the fewest pads.

    Returns:
        ``(rows, width)`` pairs: int64 row numbers and the longest length among them.
    """
    values, counts = torch.unique(lengths.cpu(), return_counts=True)
    bounds = _cheapest_bounds(values.tolist(), counts.tolist(), most, overhead)
    order = torch.argsort(lengths, stable=True)
    sizes = [int(counts[(values > low) & (values <= high)].sum()) for low, high in bounds]
    return [(rows, high) for rows, (_, high) in zip(order.split(sizes), bounds, strict=True)]


def groups_that_pay(lengths: Tensor, overhead: float) -> list[tuple[Tensor, int]]:
    """:func:`length_buckets` as many as pay on a CPU, at most :data:`MOST_BUCKETS`; one on a GPU."""
    return length_buckets(lengths, MOST_BUCKETS if lengths.device.type == "cpu" else 1, overhead)


def _cheapest_bounds(
    values: list[int], counts: list[int], most: int, overhead: float
) -> list[tuple[int, int]]:
    """Cut the ascending lengths into (low, high] ranges that minimise the sum of rows x width + overhead.

    Exact dynamic programme; there are at most L different lengths, so 16 ranges take 1 ms at 20 and 20 ms at
    100. Once one more range does not pay, no further one does.
    """
    cumulative = [0]
    for count in counts:
        cumulative.append(cumulative[-1] + count)
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for _ in range(min(most, len(values))):
        step = dict(best)
        for start, (cost, cuts) in best.items():
            for end in range(start + 1, len(values) + 1):
                total = cost + overhead + values[end - 1] * (cumulative[end] - cumulative[start])
                if end not in step or total < step[end][0]:
                    step[end] = (total, [*cuts, values[end - 1]])
        if step.get(len(values)) == best.get(len(values)):
            break
        best = step
    cuts = best[len(values)][1]
    return list(zip([0, *cuts[:-1]], cuts, strict=True))


def in_buckets(encode: Callable[[Tensor, int], Tensor], buckets: Sequence[tuple[Tensor, int]]) -> Tensor:
    """Run ``encode(rows, width)`` for every bucket and put its (b, D) results back in the batch's order.

    Args:
        encode: maps int64 row numbers (b,) and the width to trim them to, to (b, D).
        buckets: of :func:`length_buckets`.

    Returns:
        (B, D).
    """
    parts = [encode(rows, width) for rows, width in buckets]
    return torch.cat(parts).index_select(0, torch.argsort(torch.cat([rows for rows, _ in buckets])))


def read_in_buckets(
    encode: Callable[[Tensor, int], Tensor], buckets: Sequence[tuple[Tensor, int]], read: Tensor
) -> Tensor:
    """Run ``encode(rows, width)`` for every bucket and gather positions of its (b, width, D) results.

    Args:
        encode: maps int64 row numbers (b,) and the width to trim them to, to (b, width, D).
        buckets: of :func:`length_buckets`, of all B rows.
        read: (T, 2) int64 row and position of each result.

    Returns:
        (T, D).
    """
    first, parts, filled = read.new_empty(sum(len(rows) for rows, _ in buckets)), [], 0
    for rows, width in buckets:
        first[rows] = filled + width * torch.arange(len(rows), device=rows.device)
        parts.append(encode(rows, width).flatten(0, 1))
        filled += len(rows) * width
    row, position = read.unbind(1)
    return torch.cat(parts).index_select(0, first[row] + position)

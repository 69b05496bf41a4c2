"""A training batch whose rows several processes share: what a loss must see of the rows of the others.

The trainer weighs each process's loss by its :attr:`Share.weight` and adds the gradients up. So a loss that
is a mean over rows of its own is right as it is. One that compares rows with each other gathers them by
:meth:`Rows.gather`; one that is a sum, or a mean over anything else than rows, says so by
:func:`part_of_sum`. In a single process, and where a trainer has not said that a batch is shared, all of
this does nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.collectives import all_gather, all_reduce


@dataclass(frozen=True)
class Share:
    """What one process has of a batch.

    Attributes:
        start, stop: its rows, of those of the batch.
        weight: of its loss in that of the batch; all processes' add up to 1.
        split: the others have the other rows; False: the process has the whole batch.
    """

    start: int = 0
    stop: int = 0
    weight: float = 1.0
    split: bool = False

    @classmethod
    def of(cls, rows: int, rank: int, processes: int) -> "Share":
        """The share of process ``rank``: neighbouring rows, as many as the others have or one more or less.

        A batch of fewer rows than processes is not shared: all of them do the same with the whole of it.
        """
        if rows < processes:
            return cls(0, rows, 1 / processes)
        size, left = divmod(rows, processes)
        start = rank * size + min(rank, left)
        stop = start + size + (rank < left)
        return cls(start, stop, (stop - start) / rows, split=processes > 1)


_current = Share()
_generator: torch.Generator | None = None


@contextmanager
def within(share: Share) -> Iterator[None]:
    """Within it losses are those of a batch of which this process has ``share``."""
    global _current
    before, _current = _current, share
    try:
        yield
    finally:
        _current = before


def use_generator(generator: torch.Generator | None) -> None:
    """From now on draws for a whole batch come from this one, in the same state in every process."""
    global _generator
    _generator = generator


def generator() -> torch.Generator | None:
    """For draws that must be the same in every process, on the CPU; None: torch's default does."""
    return _generator


def part_of_sum(value: Tensor) -> Tensor:
    """A sum over this process's rows, such that the processes' weighted mean is the sum over the batch."""
    return value / _current.weight if _current.split else value


def mean_weight(count: int, device: torch.device) -> float:
    """What a mean over ``count`` things of this process counts for a mean over all processes' things."""
    if not _current.split:
        return 1.0
    return count / rows_of_all(count, device).total / _current.weight


def summed(value: Tensor) -> Tensor:
    """Sum over the processes of a tensor that needs no gradient."""
    return all_reduce(value.clone()) if _current.split else value


def largest(value: int, device: torch.device) -> int:
    """The largest of the processes' numbers."""
    if not _current.split:
        return value
    return int(all_reduce(torch.tensor(value, device=device), dist.ReduceOp.MAX))


@dataclass(frozen=True)
class Rows:
    """The rows that the processes have of something, in their order.

    Attributes:
        counts: of each process; only one where nothing is shared.
        rank: number of this process.
    """

    counts: Sequence[int]
    rank: int

    @property
    def total(self) -> int:
        """Rows of all processes."""
        return sum(self.counts)

    @property
    def own(self) -> slice:
        """This process's among all."""
        first, stop = [0, *accumulate(self.counts)][self.rank : self.rank + 2]
        return slice(first, stop)

    def gather(self, rows: Tensor) -> Tensor:
        """Own rows (n_own, ...) -> those of all processes, (n, ...), through which gradients flow back."""
        return rows if len(self.counts) == 1 else _Gathered.apply(rows, self)


def rows_of_all(count: int, device: torch.device) -> Rows:
    """What the processes have, of which this one has ``count``."""
    if not _current.split:
        return Rows((count,), 0)
    counts = all_gather(torch.tensor([count], device=device)).flatten().tolist()
    return Rows(counts, dist.get_rank())


class _Gathered(torch.autograd.Function):
    """Backwards every process gets the sum of what all send to its rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, place: Rows) -> Tensor:
        """Padded to the most rows that a process has: exchanged tensors have equal shapes."""
        ctx.place = place
        missing = max(place.counts) - len(rows)
        padded = F.pad(rows, (0, 0) * (rows.ndim - 1) + (0, missing))
        parts = zip(all_gather(padded), place.counts, strict=True)
        return torch.cat([part[:count] for part, count in parts])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """At least in single precision, as sums of rounded numbers lose too much."""
        exact = torch.promote_types(grads[0].dtype, torch.float32)
        total = all_reduce(grads[0].to(exact, copy=True).contiguous())
        return total[ctx.place.own].to(grads[0].dtype), None

"""The gradients of several processes added up: one exchange for each dtype, and of large tables few rows.

A table with a row per item is the larger part of most models, but a loss over a batch or a sample reaches
few of its rows: then the processes exchange which rows that are, and those.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recbole_mmm4rec.nn.collectives import all_reduce
from recbole_mmm4rec.training.distributed import world_size

LARGE_TABLE = 4096
"""Rows from which on it pays to look which of them have a gradient."""


@dataclass(frozen=True)
class _Piece:
    """A gradient, or the rows of one that are exchanged.

    Attributes:
        parameter: whose gradient it is; the others' are exchanged in the same order.
        rows: (r,) int64, outside of which no process has a gradient; None: all of it is exchanged.
    """

    parameter: nn.Parameter
    rows: Tensor | None

    def values(self) -> Tensor:
        """What this process adds, zeros where it has no gradient: (n,)."""
        grad = self.parameter.grad
        if grad is None:
            shape = self.parameter.shape if self.rows is None else (len(self.rows), self.parameter.shape[1])
            return self.parameter.new_zeros(shape).flatten()
        return (grad if self.rows is None else grad[self.rows]).flatten()

    def receive(self, total: Tensor, present: bool) -> None:
        """Take the sum (n,); without a gradient in any process there is none, as in a single one."""
        parameter = self.parameter
        if not present:
            parameter.grad = None
        elif self.rows is None:
            parameter.grad = total.view_as(parameter)
        else:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad[self.rows] = total.view(len(self.rows), parameter.shape[1])


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its sum over the processes.

    A parameter without a gradient in every process keeps none, so that optimisers skip it as they would in a
    single process; one that has it in some processes counts as zero in the others.
    """
    if world_size() == 1:
        return
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    for dtype in sorted({parameter.dtype for parameter in trainable}, key=str):
        _sum_flat([*_pieces([parameter for parameter in trainable if parameter.dtype == dtype])])


def _sum_flat(pieces: list[_Piece]) -> None:
    """The end of the flat tensor counts, for every parameter, the processes that have a gradient."""
    own = [piece.values() for piece in pieces]
    present = own[0].new_tensor([piece.parameter.grad is not None for piece in pieces])
    flat = all_reduce(torch.cat([*own, present]))
    *totals, present = flat.split([*(len(values) for values in own), len(pieces)])
    for piece, total, some in zip(pieces, totals, present.tolist(), strict=True):
        piece.receive(total, bool(some))


def _pieces(parameters: list[nn.Parameter]) -> Iterator[_Piece]:
    """What is exchanged of every parameter; the same in all processes."""
    tables = [p for p in parameters if p.ndim == 2 and len(p) >= LARGE_TABLE]
    touched = dict(zip(map(id, tables), _touched(tables), strict=True)) if tables else {}
    for parameter in parameters:
        rows = touched.get(id(parameter))
        few = rows is not None and 2 * len(rows) < len(parameter)
        yield _Piece(parameter, rows if few else None)


def _touched(tables: list[nn.Parameter]) -> list[Tensor]:
    """Rows of each table that have a gradient in some process, (r,) int64; one exchange of a byte per row."""
    masks = [
        table.new_zeros(len(table), dtype=torch.bool) if table.grad is None else table.grad.any(1)
        for table in tables
    ]
    every = all_reduce(torch.cat(masks).to(torch.uint8), dist.ReduceOp.MAX)
    return [part.nonzero()[:, 0] for part in every.split([len(table) for table in tables])]

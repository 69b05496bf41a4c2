"""The two exchanges between the processes of a training step, and how many bytes they are given."""

from dataclasses import dataclass

import torch.distributed as dist
from torch import Tensor


@dataclass
class Traffic:
    """What this process has given to the exchanges.

    Attributes:
        tensors: how many.
        bytes: of all of them together.
    """

    tensors: int = 0
    bytes: int = 0

    def add(self, tensor: Tensor) -> None:
        """Count a tensor."""
        self.tensors += 1
        self.bytes += tensor.nbytes


TRAFFIC = Traffic()
"""Of this process since it started."""


def all_reduce(tensor: Tensor, op: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
    """Sum (or maximum) over the processes, written into a contiguous tensor of any shape, and returned."""
    TRAFFIC.add(tensor)
    dist.all_reduce(tensor, op)
    return tensor


def all_gather(tensor: Tensor) -> Tensor:
    """Tensors of equal shape (n, ...) of all k processes, in their order: (k, n, ...)."""
    tensor = tensor.contiguous()
    TRAFFIC.add(tensor)
    every = tensor.new_empty((dist.get_world_size(), *tensor.shape))
    dist.all_gather(list(every), tensor)
    return every

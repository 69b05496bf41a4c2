"""The losses of an epoch: summed exactly, and looked at for NaN without waiting for the device each batch."""

import numpy as np
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training import distributed

_LOOK_EVERY = 50  # batches; each look waits for the device


class LossSum:
    """Sum of an epoch's losses in double precision, in the order of the batches.

    Args:
        epoch: number of the epoch, for the error.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches = 0
        self._sums: list[float] = []
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor | tuple[Tensor, ...], weight: float = 1.0) -> Tensor:
        """Note a batch's loss, or losses of a model with several; returns the scalar to differentiate.

        Args:
            loss: of this process.
            weight: of it in the batch's, see :class:`~recbole_mmm4rec.nn.sharing.Share`.

        Raises:
            UserError: one of the last batches had a loss that is not a finite number; names epoch and batch.
        """
        parts = loss if isinstance(loss, tuple) else (loss,)
        self._waiting.append(weight * torch.stack([part.detach().reshape(()).double() for part in parts]))
        if len(self._waiting) == _LOOK_EVERY:
            self._look()
        whole = sum(parts[1:], start=parts[0])
        return whole if weight == 1.0 else weight * whole

    def total(self) -> tuple[float, ...]:
        """Sum of each part over all batches and processes so far. Raises as :meth:`add`."""
        self._look()
        return tuple(self._sums)

    def _look(self) -> None:
        if not self._waiting:
            return
        rows = distributed.total(torch.stack(self._waiting)).tolist()
        self._waiting = []
        for row in rows:
            self._check(row)
            self._sums = [a + b for a, b in zip(self._sums or [0.0] * len(row), row, strict=True)]
            self.batches += 1

    def _check(self, row: list[float]) -> None:
        for value in row:
            if not np.isfinite(value):
                raise UserError(f"training loss is {value} in epoch {self.epoch}, batch {self.batches}")

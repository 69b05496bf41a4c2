"""One item table for several batches."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from recbole_mmm4rec.nn.item_stream import KeptTable


class SharedTable:
    """A table that is made on first use and then handed out again and again.

    In training each batch's backward pass ends at the table, where the gradients add up; :meth:`backward`
    sends the sum through the adapters once. So the weights must not change in between: the batches of one
    optimiser step, or an evaluation.

    Args:
        make: the table, by name.
        keeps: hand out a table that, without gradients, keeps what is computed from it as well.
    """

    def __init__(self, make: Callable[[], Mapping[str, Tensor]], keeps: bool = False) -> None:
        self._make, self._keeps = make, keeps
        self._made: Mapping[str, Tensor] = {}
        self._handed_out: dict[str, Tensor] = {}

    def __call__(self) -> dict[str, Tensor]:
        """The table, cut off from what it was made from."""
        if not self._made:
            self._made = self._make()
            self._handed_out = {
                name: part.detach().requires_grad_(part.requires_grad) for name, part in self._made.items()
            }
            if self._keeps and not torch.is_grad_enabled():
                self._handed_out = KeptTable(self._handed_out)
        return self._handed_out

    def backward(self) -> None:
        """Send the gradients that have arrived on to the parameters."""
        arrived = {name: part.grad for name, part in self._handed_out.items() if part.grad is not None}
        if arrived:
            torch.autograd.backward([self._made[name] for name in arrived], list(arrived.values()))

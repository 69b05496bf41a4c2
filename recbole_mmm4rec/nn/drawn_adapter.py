"""Adapters that are drawn at random instead of learnt: an encoder trained on them serves any features."""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.sharing import generator


class DrawnLinear(nn.Module):
    """A linear map that is drawn anew whenever it is used in training.

    Random linear maps roughly keep which vectors are alike, but no direction keeps a meaning from one draw to
    the next. So what is trained behind them learns to use likeness, whatever the features, their width and
    their encoder. Outside of training the map is the one that it started with.

    Args:
        inputs: D_m.
        width: D.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.start = nn.Linear(inputs, width).requires_grad_(False)

    @property
    def bias(self) -> nn.Parameter:
        """(D,) what a zero vector becomes outside of training."""
        return self.start.bias

    def forward(self, features: Tensor) -> Tensor:
        """(..., D_m) -> (..., D)."""
        if not self.training:
            return self.start(features)
        weight, bias = self.start.parameters()
        return nn.functional.linear(features, _redrawn(weight), _redrawn(bias))


def _redrawn(values: Tensor) -> Tensor:
    """Normal numbers of the same mean square, the same in every process; zeros stay zeros."""
    shared = generator()  # on the CPU
    drawn = torch.randn_like(values) if shared is None else torch.randn(values.shape, generator=shared)
    return drawn.to(values) * values.square().mean().sqrt()

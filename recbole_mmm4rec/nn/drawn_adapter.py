"""Adapters that nobody learns: an encoder trained on them serves features of any kind."""

import torch
from torch import Tensor, nn


class DrawnLinear(nn.Module):
    """A linear map that is drawn anew whenever it is used in training.

    A random map keeps which vectors are alike, and nothing else. What is trained behind it learns to use
    likeness, whatever the features, their width and their encoder. Outside of training the map is the one
    that it started with.

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
    """Normal numbers of the same mean square; zeros stay zeros."""
    return torch.randn_like(values) * values.square().mean().sqrt()

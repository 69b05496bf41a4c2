"""An average of a model's weights over its training steps, which is what gets validated, tested and kept.

The weights of single steps jump about a good point; their average lies closer to it. Training itself never
reads the average.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of the parameters that are trained; the others are as they are.

    After ``n`` steps the average moves towards the weights by ``1 - min(decay, n / (n + 9))``, so that the
    first, random weights are soon forgotten.

    Args:
        model: its parameters are averaged, from their present values on.
        decay: weight of the average in every update, in (0, 1).

    Attributes:
        steps: updates so far.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay, self.steps = model, decay, 0
        self._values: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after an optimiser step in. One that was not trained before starts here."""
        self.steps += 1
        kept = min(self.decay, self.steps / (self.steps + 9))
        trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        for name in self._values.keys() - trained.keys():
            del self._values[name]
        for name, parameter in trained.items():
            if name in self._values:
                self._values[name].lerp_(parameter, 1 - kept)
            else:
                self._values[name] = parameter.detach().clone()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the model has the averaged weights; afterwards it has its own again."""
        own = self.weights()
        self._load(self._values)
        try:
            yield
        finally:
            self._load(own)

    def load(self) -> None:
        """Give the model the averaged weights for good."""
        self._load(self._values)

    def weights(self) -> dict[str, Tensor]:
        """Copies of the model's own weights of the averaged parameters, by name."""
        named = dict(self.model.named_parameters())
        return {name: named[name].detach().clone() for name in self._values}

    def take_up(self, own: Mapping[str, Tensor], steps: int) -> None:
        """Go on where another process left off, whose averages the model has as its weights now.

        Args:
            own: what :meth:`weights` gave; the model has these afterwards.
            steps: updates so far.
        """
        named = dict(self.model.named_parameters())
        self._values = {name: named[name].detach().clone() for name in own}
        self.steps = steps
        self._load(own)

    @torch.no_grad()
    def _load(self, values: Mapping[str, Tensor]) -> None:
        named = dict(self.model.named_parameters())
        for name, value in values.items():
            named[name].copy_(value)

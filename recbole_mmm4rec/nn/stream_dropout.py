"""Dropout of a whole modality: a model that must do without one at times does not rely on it only."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


class StreamDropout(nn.Module):
    """In training, takes one modality's stream away from some histories, at random; never the last one.

    Args:
        p: share of the histories that lose a stream.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, streams: Mapping[str, Tensor], stand_in: Callable[[str], Tensor]) -> dict[str, Tensor]:
        """Streams (b, W, D) by modality, and what stands where one is gone, (D,) by its name."""
        if not self.training or self.p <= 0 or len(streams) < 2:
            return dict(streams)
        first = next(iter(streams.values()))
        gone = torch.randint(len(streams), first.shape[:1], device=first.device)
        keeps = torch.rand(first.shape[:1], device=first.device) >= self.p
        left = {}
        for number, (name, stream) in enumerate(streams.items()):
            stays = (keeps | (gone != number))[:, None, None]
            left[name] = torch.where(stays, stream, stand_in(name).to(stream.dtype))
        return left

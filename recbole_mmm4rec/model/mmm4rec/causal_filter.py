"""A dual-channel filter that looks back only: the time streams of two modalities become one."""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.convolution import CausalConv


class CausalFilter(nn.Module):
    """The sum of two causal convolutions, whose learnt kernels are as long as the history.

    A product of spectra, as in :class:`~recbole_mmm4rec.model.mmm4rec.fourier.DualChannelFilter`, is a
    convolution around the whole history. These have no look ahead, and their kernels do not depend on the
    streams. The sum starts as the mean of the two.

    Args:
        length: L of the time streams.
        heads: H; each has kernels of its own.
    """

    no_decay = True

    def __init__(self, length: int, heads: int) -> None:
        super().__init__()
        self.text = CausalConv(heads, length, activation=nn.Identity())
        self.image = CausalConv(heads, length, activation=nn.Identity())

    @torch.no_grad()
    def initialise(self) -> None:
        """One half at the current position and 0 before it."""
        for conv in (self.text, self.image):
            conv.weight.zero_()
            conv.weight[..., -1] = 0.5
            conv.bias.zero_()

    def forward(self, text: Tensor, image: Tensor) -> Tensor:
        """(B, H, L) float32, twice -> (B, H, L) float32."""
        return (self.text(text.transpose(1, 2)) + self.image(image.transpose(1, 2))).transpose(1, 2)

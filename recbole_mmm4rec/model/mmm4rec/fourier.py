"""Dual-channel Fourier filter: the time streams of two modalities become one, in the frequency domain.

Source: equations (12) to (15) of the MMM4Rec paper.
"""

import torch
from torch import Tensor, nn

from recbole_mmm4rec.model.mmm4rec.real_fourier import filtered_in_real_numbers


class ComplexLinear(nn.Module):
    """A complex affine map, made of two real ones.

    Args:
        bins: width of input and output.
        crossed_bias: add both real layers' biases to real and imaginary part, ``(b_R - b_I) + i(b_R + b_I)``,
            as the released code does; else ``b_R + i b_I`` as equation (14) has it.
    """

    def __init__(self, bins: int, crossed_bias: bool = False) -> None:
        super().__init__()
        self.crossed_bias = crossed_bias
        self.real = nn.Linear(bins, bins)
        self.imag = nn.Linear(bins, bins)

    def forward(self, x: Tensor) -> Tensor:
        """(..., bins) complex64 -> (..., bins) complex64."""
        weight = torch.complex(self.real.weight, self.imag.weight)
        bias = torch.complex(self.real.bias, self.imag.bias)
        if self.crossed_bias:
            bias = bias * (1 + 1j)
        return nn.functional.linear(x, weight, bias)


class DualChannelFilter(nn.Module):
    """``F^-1(co(text(D_t) D_t + image(D_v) D_v))``.

    Args:
        length: L of the time streams.
        full_spectrum: L bins of a complex transform (the paper) or L/2 + 1 of a real one (released code).
        crossed_bias: see :class:`ComplexLinear`.
        lively: start as the mean of the two streams instead of as (nearly) zero.
    """

    no_decay = True

    def __init__(
        self, length: int, full_spectrum: bool = True, crossed_bias: bool = False, lively: bool = True
    ) -> None:
        super().__init__()
        self.length, self.full_spectrum, self.lively = length, full_spectrum, lively
        bins = length if full_spectrum else length // 2 + 1
        self.text = ComplexLinear(bins, crossed_bias)
        self.image = ComplexLinear(bins, crossed_bias)
        self.co = ComplexLinear(bins, crossed_bias)

    def initialise(self) -> None:
        """Kernels around 1 and an outer map around one half: the mean of both streams, plus noise."""
        if not self.lively:
            return
        nn.init.ones_(self.text.real.bias)
        nn.init.ones_(self.image.real.bias)
        with torch.no_grad():
            self.co.real.weight += 0.5 * torch.eye(len(self.co.real.weight))

    def forward(self, text: Tensor, image: Tensor) -> Tensor:
        """(B, H, L) float32, twice -> (B, H, L) float32."""
        if torch.compiler.is_compiling():  # an exported graph has no complex numbers
            return filtered_in_real_numbers(self, text, image)
        with torch.autocast(text.device.type, enabled=False):
            d_text, d_image = self._spectrum(text.float()), self._spectrum(image.float())
            mixed = self.co(self.text(d_text) * d_text + self.image(d_image) * d_image)
            if self.full_spectrum:
                return torch.fft.ifft(mixed, norm="ortho").real
            return torch.fft.irfft(mixed, n=self.length, norm="ortho")

    def _spectrum(self, x: Tensor) -> Tensor:
        return (torch.fft.fft if self.full_spectrum else torch.fft.rfft)(x, norm="ortho")

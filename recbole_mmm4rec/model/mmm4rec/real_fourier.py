"""The dual-channel Fourier filter as products of real matrices, for graphs that have no complex numbers.

A Fourier transform over L positions is the product with a matrix of cosines and one of sines. The result is
that of :class:`~recbole_mmm4rec.model.mmm4rec.fourier.DualChannelFilter` up to rounding; for short histories
only, since it costs L products per position.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[Tensor, Tensor]
"""Real and imaginary part, (..., bins) each."""


def filtered_in_real_numbers(filters: Any, text: Tensor, image: Tensor) -> Tensor:
    """``filters(text, image)`` of a ``DualChannelFilter``: (B, H, L) float32, twice -> (B, H, L) float32."""
    length = filters.length
    bins = length if filters.full_spectrum else length // 2 + 1
    cosines, sines = _transform(length, bins, text.device)
    d_text = text.float() @ cosines, text.float() @ sines
    d_image = image.float() @ cosines, image.float() @ sines
    mixed_text, mixed_image = (
        _product(_affine(layer, spectrum), spectrum)
        for layer, spectrum in ((filters.text, d_text), (filters.image, d_image))
    )
    real, imag = _affine(filters.co, (mixed_text[0] + mixed_image[0], mixed_text[1] + mixed_image[1]))
    if not filters.full_spectrum:  # all but the first bin, and the last one of an even L, count twice
        weight = torch.full((bins,), 2.0, device=text.device)
        weight[0] = 1.0
        if length % 2 == 0:
            weight[-1] = 1.0
        real, imag = real * weight, imag * weight
    return real @ cosines.T + imag @ sines.T


def _transform(length: int, bins: int, device: torch.device) -> Pair:
    """Cosines and negative sines (L, bins) of the orthonormal transform."""
    position = torch.arange(length, dtype=torch.float64, device=device)
    # whole turns are taken out before the float: they would cost digits
    turns = torch.outer(position, position[:bins]) % length
    angle = turns * (-2 * math.pi / length)
    return (angle.cos() * length**-0.5).float(), (angle.sin() * length**-0.5).float()


def _affine(layer: Any, x: Pair) -> Pair:
    """A ``ComplexLinear`` in its two parts."""
    real, imag = x
    bias_real, bias_imag = layer.real.bias, layer.imag.bias
    if layer.crossed_bias:
        bias_real, bias_imag = bias_real - bias_imag, bias_real + bias_imag
    return (
        F.linear(real, layer.real.weight, bias_real) - F.linear(imag, layer.imag.weight),
        F.linear(imag, layer.real.weight, bias_imag) + F.linear(real, layer.imag.weight),
    )


def _product(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]

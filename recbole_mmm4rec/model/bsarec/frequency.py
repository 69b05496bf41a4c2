"""BSARec's frequency filter: low frequencies of a history as they are, the rest rescaled.

Source: Shin et al., "An attentive inductive bias for sequential recommendation beyond the self-attention",
AAAI 2024, equations (5) to (9).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.feed_forward import FeedForward
from recbole_mmm4rec.nn.transformer import (
    PositionalInput,
    SelfAttention,
    TransformerSettings,
    additive,
    causal_mask,
    key_mask,
)


def low_frequencies(length: int, bins: int) -> Tensor:
    """Orthonormal basis of the first ``bins`` bins of a real Fourier transform over ``length`` positions.

    Projecting on it is the low-pass filter ``irfft(rfft(x)[:bins])`` in two small matrix products.

    Returns:
        (length, R) float32, R = 2 * bins - 1 except where the last bin is the Nyquist frequency.
    """
    position = torch.arange(length, dtype=torch.float64) * (2 * math.pi / length)
    columns = [torch.full_like(position, length**-0.5)]
    for frequency in range(1, min(bins, length // 2 + 1)):
        if 2 * frequency == length:
            columns.append(torch.cos(frequency * position) * length**-0.5)
            continue
        scale = (2 / length) ** 0.5
        columns += [torch.cos(frequency * position) * scale, torch.sin(frequency * position) * scale]
    return torch.stack(columns, 1).float()


class FrequencyFilter(nn.Module):
    """``LN(x + Drop(low + beta^2 (x - low)))`` along a history of fixed length.

    Args:
        width: D.
        length: L; the spectrum is that of exactly L positions, pads included.
        bins: how many frequency bins count as low, floor(c / 2) + 1 in the paper's c.
        dropout: of the filtered signal.
        eps: of the norm.
    """

    basis: Tensor

    def __init__(self, width: int, length: int, bins: int, dropout: float, eps: float = 1e-12) -> None:
        super().__init__()
        self.sqrt_beta = nn.Parameter(torch.randn(width))
        self.layer_norm = nn.LayerNorm(width, eps)
        self.dropout = Dropout(dropout)
        self.register_buffer("basis", low_frequencies(length, bins), persistent=False)

    def forward(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """Filter a history.

        Args:
            x: (B, L, D).
            rows: (B,) int64, the position whose output is wanted; None: all.

        Returns:
            (B, L, D), or (B, 1, D) with ``rows``.
        """
        spectrum = self.basis.T @ x
        basis = self.basis
        if rows is not None:
            basis = basis[rows].unsqueeze(1)
            x = x[torch.arange(x.shape[0], device=x.device), rows].unsqueeze(1)
        low = basis @ spectrum
        return self.layer_norm(x + self.dropout(low + self.sqrt_beta.square() * (x - low)))


@dataclass(frozen=True)
class FrequencySettings:
    """What a BSARec layer has beside a Transformer's.

    Attributes:
        length: L.
        bins: low frequencies.
        alpha: weight of the filter against attention.
    """

    length: int
    bins: int
    alpha: float


class FrequencyLayer(nn.Module):
    """``FFN(alpha filter(x) + (1 - alpha) attention(x))``."""

    def __init__(self, transformer: TransformerSettings, frequency: FrequencySettings) -> None:
        super().__init__()
        t = transformer
        self.alpha = frequency.alpha
        self.filter = FrequencyFilter(t.width, frequency.length, frequency.bins, t.dropout, t.eps)
        self.attention = SelfAttention(t)
        self.ffn = FeedForward(t.width, t.inner, t.dropout, t.eps, nn.functional.gelu, inner_dropout=0.0)

    def forward(self, x: Tensor, mask: Tensor, rows: Tensor | None = None) -> Tensor:
        """One layer.

        Args:
            x: (B, L, D).
            mask: of the attention, (B, 1, L, L) or, with ``rows``, (B, 1, 1, L).
            rows: (B,) int64, the position whose output is wanted; None: all.

        Returns:
            (B, L, D), or (B, 1, D) with ``rows``.
        """
        asked = None if rows is None else x[torch.arange(x.shape[0], device=x.device), rows].unsqueeze(1)
        mixed = self.alpha * self.filter(x, rows) + (1 - self.alpha) * self.attention(x, mask, asked)
        return self.ffn(mixed)


class FrequencyEncoder(nn.Module):
    """Positions, layers of filter and attention, one position read. All at the full length L."""

    def __init__(self, transformer: TransformerSettings, frequency: FrequencySettings) -> None:
        super().__init__()
        t = transformer
        self.input = PositionalInput(frequency.length, t.width, t.dropout, t.eps)
        self.layers = nn.ModuleList(FrequencyLayer(transformer, frequency) for _ in range(t.layers))

    def forward(self, vectors: Tensor, valid: Tensor, rows: Tensor) -> Tensor:
        """Read one position of every history.

        Args:
            vectors: (B, L, D) with the pads' vectors, which enter the spectrum.
            valid: (B, L) bool, no pad. Attention looks at no pad, except that a pad before the first item,
                which has nothing to look at, looks everywhere; that is what RecBole's -1e4 amounts to.
            rows: (B,) int64, the position to read.

        Returns:
            (B, D).
        """
        allowed = key_mask(valid) & causal_mask(valid.shape[1], valid.device)
        x, mask = self.input(vectors), additive(allowed)
        for layer in self.layers[:-1]:
            x = layer(x, mask)
        return self.layers[-1](x, additive(key_mask(valid)), rows)[:, 0]

"""SASRec's Transformer: post-norm self-attention and feed-forward blocks over learnt positions.

Source: Kang and McAuley, "Self-attentive sequential recommendation", 2018, as in RecBole: GELU, post-norm.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.feed_forward import FeedForward
from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.tail import Tail, at_positions

ATTENTION_STARTS = ("normal", "xavier")


@dataclass(frozen=True)
class TransformerSettings:
    """Sizes of a stack.

    Attributes:
        width: D.
        inner: hidden width of the feed-forward blocks.
        heads: attention heads, divides D.
        layers: number of layers.
        dropout: of inputs, attention outputs and feed-forward outputs.
        attention_dropout: of attention weights.
        eps: of the layer norms.
        inner_dropout: between the two maps of a feed-forward block; SASRec has none there.
    """

    width: int
    inner: int
    heads: int
    layers: int
    dropout: float = 0.0
    attention_dropout: float = 0.0
    eps: float = 1e-12
    inner_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that do not divide."""
        if self.width % self.heads:
            raise ValueError(f"n_heads {self.heads} must divide hidden_size {self.width}")


def causal_mask(width: int, device: torch.device) -> Tensor:
    """(W, W) bool, true where a query (row) may attend to a key (column): itself and those before it.

    Pads on the right need no further mask: no position that is read attends to them.
    """
    return torch.ones(width, width, dtype=torch.bool, device=device).tril()


def key_mask(valid: Tensor) -> Tensor:
    """(B, W) bool -> (B, 1, 1, W) bool: every query looks at all valid keys."""
    return valid[:, None, None]


def key_mask_or_all(valid: Tensor) -> Tensor:
    """The same, but where no key is valid all are looked at, so that no softmax is over nothing."""
    return key_mask(valid | ~valid.any(1, keepdim=True))


def additive(mask: Tensor, penalty: float = -1e4) -> Tensor:
    """A bool mask as numbers added to the scores.

    With -1e4, RecBole's value, a query without a single permitted key looks at all of them by their scores.
    """
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, penalty)


class SelfAttention(nn.Module):
    """``LN(x + Drop(W softmax(Q K^T / sqrt(D / heads) + mask) V))``."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads, self.attention_dropout = settings.heads, settings.attention_dropout
        self.query = nn.Linear(settings.width, settings.width)
        self.key = nn.Linear(settings.width, settings.width)
        self.value = nn.Linear(settings.width, settings.width)
        self.out = nn.Linear(settings.width, settings.width)
        self.layer_norm = nn.LayerNorm(settings.width, settings.eps)
        self.dropout = Dropout(settings.dropout)

    @torch.no_grad()
    def start_as_torch(self) -> None:
        """First values of ``torch.nn.MultiheadAttention``: Xavier's, of one matrix for all three projections.

        Uniform within ``sqrt(6 / (D + 3 D))``, biases zero. The map of the output keeps its values.
        """
        bound = math.sqrt(1.5 / self.query.in_features)
        for layer in (self.query, self.key, self.value):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x: Tensor, mask: Tensor | None, queries: Tensor | None = None, hidden: Tensor | None = None
    ) -> Tensor:
        """Attend to ``x``.

        Args:
            x: (B, L, D) keys and values.
            mask: broadcastable to (B, heads, Q, L): bool (true: look) or numbers to add to the scores; None:
                everyone looks at everything.
            queries: (B, Q, D) rows of ``x`` whose outputs are wanted; None: all. Rows of another sequence
                make it cross-attention.
            hidden: (B,) bool, sequences of which no key may be looked at: they add only the output map's
                bias. Their rows of ``mask`` must still allow a key.

        Returns:
            (B, Q, D).
        """
        asked = x if queries is None else queries
        q, k, v = (
            layer(source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, source in ((self.query, asked), (self.key, x), (self.value, x))
        )
        if hidden is not None:
            v = v.masked_fill(hidden[:, None, None, None], 0.0)
        dropout = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.layer_norm(asked + self.dropout(self.out(mixed.transpose(1, 2).flatten(2))))


def start_attentions_as_torch(modules: Iterable[nn.Module], alike: bool = False) -> None:
    """:meth:`SelfAttention.start_as_torch` for every attention among ``modules``.

    Args:
        modules: of a network.
        alike: all attentions get the draws of the first one, as the layers of ``torch.nn.TransformerEncoder``
            do, which are copies of one.
    """
    first, *others = (module for module in modules if isinstance(module, SelfAttention))
    first.start_as_torch()
    for attention in others:
        if not alike:
            attention.start_as_torch()
            continue
        for name in ("query", "key", "value"):
            getattr(attention, name).load_state_dict(getattr(first, name).state_dict())


class TransformerLayer(nn.Module):
    """Self-attention, then a feed-forward block."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        s = settings
        self.attention = SelfAttention(s)
        self.ffn = FeedForward(s.width, s.inner, s.dropout, s.eps, F.gelu, s.inner_dropout)

    def forward(self, x: Tensor, mask: Tensor | None, queries: Tensor | None = None) -> Tensor:
        """As :meth:`SelfAttention.forward`."""
        return self.ffn(self.attention(x, mask, queries))


class TransformerStack(nn.Module):
    """The layers."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(settings) for _ in range(settings.layers))

    def forward(self, x: Tensor, mask: Tensor | None, read: Tensor | None = None) -> Tensor:
        """All positions, (B, L, D) -> (B, L, D), or those that are ``read``, (B, R) int64 -> (B, R, D)."""
        for layer in self.layers[:-1]:
            x = layer(x, mask)
        return self.layers[-1](x, mask, None if read is None else at_positions(x, read))

    def last(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The last position of causal attention; the last layer is computed only there.

        Args:
            x: (B, W, D), right-padded.
            lengths: (B,) int64.

        Returns:
            (B, D).
        """
        mask, width = causal_mask(x.shape[1], x.device), x.shape[1]
        for layer in self.layers[:-1]:
            x = layer(x, mask)
        return self.layers[-1](x, key_mask(valid_positions(lengths, width)), Tail(lengths, 1).of(x))[:, 0]

    def every(self, x: Tensor) -> Tensor:
        """All positions of causal attention, (B, W, D) right-padded -> (B, W, D)."""
        return self(x, causal_mask(x.shape[1], x.device))


class PositionalInput(nn.Module):
    """``Drop(LN(v + position))``.

    Args:
        length: L, the number of positions.
        width: D.
        dropout: after the norm.
        eps: of the norm.
    """

    def __init__(self, length: int, width: int, dropout: float, eps: float = 1e-12) -> None:
        super().__init__()
        self.position = nn.Embedding(length, width)
        self.layer_norm = nn.LayerNorm(width, eps)
        self.dropout = Dropout(dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, W, D) -> (B, W, D), W <= L."""
        return self.dropout(self.layer_norm(vectors + self.position.weight[: vectors.shape[1]]))


class TransformerEncoder(nn.Module):
    """SASRec's encoder: positions, causal Transformer, last position.

    Args:
        settings: of the stack.
        length: L.
    """

    def __init__(self, settings: TransformerSettings, length: int) -> None:
        super().__init__()
        self.input = PositionalInput(length, settings.width, settings.dropout, settings.eps)
        self.stack = TransformerStack(settings)

    def forward(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """(B, W, D) right-padded item vectors, (B,) int64 -> (B, D)."""
        return self.stack.last(self.input(vectors), lengths)

    def every(self, vectors: Tensor) -> Tensor:
        """(B, W, D) right-padded item vectors -> (B, W, D), the user vectors of all prefixes."""
        return self.stack.every(self.input(vectors))

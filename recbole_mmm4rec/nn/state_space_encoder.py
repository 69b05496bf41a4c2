"""Stack of state-space blocks, post-norm, read at the last position: Mamba4Rec's and TiM4Rec's encoder."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.feed_forward import FeedForward
from recbole_mmm4rec.nn.tail import Tail
from recbole_mmm4rec.nn.tissd import TiSSD


class SelfTiSSD(TiSSD):
    """TiSSD whose inputs, queries and gates are one stream."""

    def forward(self, x: Tensor, scale: Tensor | None = None, tail: Tail | None = None) -> Tensor:  # type: ignore[override]
        """(B, L, D), (B, L, H) -> (B, L, D), or (B, size, D) with ``tail``."""
        if tail is None:
            return super().forward(x, x, x, scale)
        wider = tail.wider(self.settings.d_conv - 1, x.shape[1])
        return super().forward(x, wider.of(x), tail.of(x), scale, tail)


class StateSpaceBlock(nn.Module):
    """``LN(Drop(block(x)) [+ x])``.

    Args:
        block: maps (x, scale, tail) to outputs.
        width: D.
        dropout: after the block.
        eps: of the norm.
        residual: around the block; without it a single layer passes on only the block's output.
    """

    def __init__(
        self, block: nn.Module, width: int, dropout: float, eps: float = 1e-12, residual: bool = True
    ) -> None:
        super().__init__()
        self.block, self.residual = block, residual
        self.layer_norm = nn.LayerNorm(width, eps)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, scale: Tensor | None = None, tail: Tail | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D), or (B, size, D) with ``tail``."""
        y = self.dropout(self.block(x, scale, tail))
        if self.residual:
            y = y + (x if tail is None else tail.of(x))
        return self.layer_norm(y)


class StateSpaceLayer(StateSpaceBlock):
    """``FFN(LN(Drop(block(x)) [+ x]))``.

    Args:
        block, width, residual: see :class:`StateSpaceBlock`.
        dropout: after the block and inside the feed-forward block of width 4 D.
        eps: of the norm after the block; the feed-forward block's is 1e-12 in the released codes.
        activation: of the feed-forward block.
    """

    def __init__(
        self,
        block: nn.Module,
        width: int,
        dropout: float,
        eps: float = 1e-12,
        residual: bool = True,
        activation: Callable[[Tensor], Tensor] = F.gelu,
    ) -> None:
        super().__init__(block, width, dropout, eps, residual)
        self.ffn = FeedForward(width, 4 * width, dropout, activation=activation)

    def forward(self, x: Tensor, scale: Tensor | None = None, tail: Tail | None = None) -> Tensor:
        """(B, L, D) -> (B, L, D), or (B, size, D) with ``tail``."""
        return self.ffn(super().forward(x, scale, tail))


class StateSpaceEncoder(nn.Module):
    """``LN(Drop(v))``, the layers, the last position. Causal, so pads on the right need no mask.

    Args:
        layers: at least one.
        width: D.
        dropout: of item vectors.
        eps: of the input norm.
    """

    def __init__(
        self, layers: Sequence[StateSpaceLayer], width: int, dropout: float, eps: float = 1e-12
    ) -> None:
        super().__init__()
        self.input_norm = nn.LayerNorm(width, eps)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(layers)

    def forward(self, vectors: Tensor, lengths: Tensor, scales: Sequence[Tensor] = ()) -> Tensor:
        """User vectors at the last positions.

        Args:
            vectors: (B, W, D) item vectors, right-padded.
            lengths: (B,) int64.
            scales: (B, W, H) multipliers of step sizes, one tensor per layer; none: no time.

        Returns:
            (B, D).
        """
        return self._through(vectors, scales, Tail(lengths, 1))[:, 0]

    def every(self, vectors: Tensor, scales: Sequence[Tensor] = ()) -> Tensor:
        """User vectors of all prefixes, (B, W, D); arguments as of :meth:`forward`."""
        return self._through(vectors, scales, None)

    def _through(self, vectors: Tensor, scales: Sequence[Tensor], read: Tail | None) -> Tensor:
        x = self.input_norm(self.dropout(vectors))
        for number, layer in enumerate(self.layers):
            tail = read if number == len(self.layers) - 1 else None
            x = layer(x, scales[number] if scales else None, tail)
        return x

"""M3Rec's encoder: state-space blocks that all streams share, and each stream's own feed-forward expert."""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.feed_forward import FeedForward
from recbole_mmm4rec.nn.state_space_encoder import StateSpaceBlock
from recbole_mmm4rec.nn.tail import Tail


class ModalityExpertLayer(nn.Module):
    """``FFN_m(block(x_m))`` for every stream m.

    Args:
        block: shared by the streams.
        streams: their names.
        width: D; the experts are 4 D wide inside.
        dropout: of the experts.
        cut: streams whose gradient ends behind the block (the released M3Rec: pictures and texts).
    """

    def __init__(
        self,
        block: StateSpaceBlock,
        streams: Sequence[str],
        width: int,
        dropout: float,
        cut: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.shared, self.cut = block, frozenset(cut)
        self.experts = nn.ModuleDict(
            {name: FeedForward(width, 4 * width, dropout, activation=F.gelu) for name in streams}
        )

    def forward(self, streams: Mapping[str, Tensor], tail: Tail | None = None) -> dict[str, Tensor]:
        """(B, L, D) per stream -> (B, L, D), or (B, size, D) with ``tail``."""
        return {name: self.experts[name](self._mixed(name, x, tail)) for name, x in streams.items()}

    def _mixed(self, name: str, x: Tensor, tail: Tail | None) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and name not in self.cut):
            return self.shared(x, tail=tail)


class ModalityExpertEncoder(nn.Module):
    """``LN_m(Drop(v_m))``, the layers, the last position. Causal, so pads on the right need no mask.

    Args:
        layers: at least one.
        streams: their names.
        width: D.
        dropout: of item vectors.
        eps: of the input norms.
    """

    def __init__(
        self,
        layers: Sequence[ModalityExpertLayer],
        streams: Sequence[str],
        width: int,
        dropout: float,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.input_norms = nn.ModuleDict({name: nn.LayerNorm(width, eps) for name in streams})
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(layers)

    def forward(self, streams: Mapping[str, Tensor], lengths: Tensor) -> dict[str, Tensor]:
        """(B, W, D) item vectors per stream, right-padded, and (B,) int64 -> (B, D) per stream."""
        last = self._through(streams, Tail(lengths, 1))
        return {name: vectors[:, 0] for name, vectors in last.items()}

    def every(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, W, D) item vectors per stream -> (B, W, D) per stream, at every position."""
        return self._through(streams, None)

    def _through(self, streams: Mapping[str, Tensor], read: Tail | None) -> dict[str, Tensor]:
        x = {name: self.input_norms[name](self.dropout(vectors)) for name, vectors in streams.items()}
        for layer in self.layers[:-1]:
            x = layer(x)
        return self.layers[-1](x, read)

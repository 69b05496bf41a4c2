"""Position-wise feed-forward block."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.dropout import Dropout


class FeedForward(nn.Module):
    """``LN(x + Drop(W2 Drop(f(W1 x))))``.

    Args:
        width: D.
        inner: hidden width.
        dropout: after the activation and after the second map.
        eps: of the layer norm.
        activation: f.
        inner_dropout: after the activation, where it differs (SASRec has none there).
    """

    def __init__(
        self,
        width: int,
        inner: int,
        dropout: float,
        eps: float = 1e-12,
        activation: Callable[[Tensor], Tensor] = F.hardswish,
        inner_dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.layer_norm = nn.LayerNorm(width, eps=eps)
        self.dropout = Dropout(dropout)
        self.inner_dropout = Dropout(dropout if inner_dropout is None else inner_dropout)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        hidden = self.inner_dropout(self.activation(self.fc1(x)))
        return self.layer_norm(x + self.dropout(self.fc2(hidden)))

"""MISSRec's encoder over a user's interests and decoder over the user's items."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.feed_forward import FeedForward
from recbole_mmm4rec.nn.tail import at_positions
from recbole_mmm4rec.nn.transformer import (
    PositionalInput,
    SelfAttention,
    TransformerSettings,
    TransformerStack,
    key_mask_or_all,
)


class DecoderLayer(nn.Module):
    """Attention among the items, attention of the items to the memory, feed-forward block; all post-norm."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        s = settings
        self.attention, self.cross_attention = SelfAttention(s), SelfAttention(s)
        self.ffn = FeedForward(
            s.width, s.inner, s.dropout, s.eps, nn.functional.gelu, inner_dropout=s.inner_dropout
        )

    def forward(
        self, x: Tensor, valid: Tensor, memory: Tensor, memory_mask: Tensor, read: Tensor | None = None
    ) -> Tensor:
        """(B, W, D) items, of which ``valid`` (B, W) bool may be looked at, (B, S, D) memory.

        Returns:
            (B, W, D), or (B, R, D) at the positions ``read`` (B, R).
        """
        rows = None if read is None else at_positions(x, read)
        x = self.attention(x, key_mask_or_all(valid), rows, ~valid.any(1))
        return self.ffn(self.cross_attention(memory, memory_mask, x))


class InterestTransformer(nn.Module):
    """torch's ``nn.Transformer`` without a causal mask, decoded at one position only.

    Args:
        settings: of both stacks; ``layers`` is the encoder's.
        decoder_layers: the decoder's.
    """

    def __init__(self, settings: TransformerSettings, decoder_layers: int) -> None:
        super().__init__()
        width, eps = settings.width, settings.eps
        self.encoder, self.encoder_norm = TransformerStack(settings), nn.LayerNorm(width, eps)
        self.decoder = nn.ModuleList(DecoderLayer(settings) for _ in range(decoder_layers))
        self.decoder_norm = nn.LayerNorm(width, eps)

    def forward(
        self, interests: Tensor, real: Tensor, items: Tensor, valid: Tensor, read: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode and decode.

        Args:
            interests: (B, S, D), of which ``real`` (B, S) bool exist.
            items: (B, T, D) item tokens, of which ``valid`` (B, T) bool exist.
            read: (B,) int64, the token that becomes the user vector.

        Returns:
            (B, D) and the memory (B, S, D).
        """
        keys = key_mask_or_all(real)
        memory = self.encoder_norm(self.encoder(interests, keys))
        # without any interest the stack reads a zero, where the gradients of its norms would overflow
        memory = torch.where(real.any(1)[:, None, None], memory, memory.detach())
        for layer in self.decoder[:-1]:
            items = layer(items, valid, memory, keys)
        last = self.decoder[-1](items, valid, memory, keys, read.unsqueeze(1))
        return self.decoder_norm(last[:, 0]), memory


class InterestEncoder(nn.Module):
    """Items with positions, and interests without, through the Transformer.

    Args:
        settings: of the Transformer.
        decoder_layers: of its decoder.
        length: L.
    """

    def __init__(self, settings: TransformerSettings, decoder_layers: int, length: int) -> None:
        super().__init__()
        self.input = PositionalInput(length, settings.width, settings.dropout, settings.eps)
        self.transformer = InterestTransformer(settings, decoder_layers)

    def forward(
        self,
        streams: Sequence[Tensor],
        valid: Sequence[Tensor],
        lengths: Tensor,
        interests: Tensor,
        real: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """One or several tokens per item.

        Args:
            streams: (B, W, D) each, one after the other in the decoder; the first one's last item is read.
            valid: (B, W) bool each, which tokens the others may look at.
            lengths: (B,) int64.
            interests: (B, S, D), of which ``real`` (B, S) bool exist.

        Returns:
            (B, D) and the memory (B, S, D).
        """
        items = torch.cat([self.input(stream) for stream in streams], dim=1)
        return self.transformer(interests, real, items, torch.cat([*valid], dim=1), lengths - 1)


def norm_penalty(memory: Tensor, real: Tensor, all_slots: bool) -> Tensor:
    """``|sum of memory|^2 / D`` of every user, what the published regulariser computes: (B,) float32.

    Args:
        memory: (B, S, D).
        real: (B, S) bool.
        all_slots: sum over slots without an interest too, times the share of real ones: the value then
            depends on the most interests that anyone in the batch has.
    """
    memory = memory.float()
    if all_slots:
        summed = memory.sum(1) * real.float().mean(1, keepdim=True)
    else:
        summed = (memory * real.unsqueeze(-1)).sum(1)
    return summed.square().sum(1) / memory.shape[-1]

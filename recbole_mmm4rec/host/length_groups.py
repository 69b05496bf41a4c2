"""RecBole's layers on histories that are trimmed and grouped by length.

What a model of RecBole computes on the pads at the right of a history reaches no number: causal attention
and recurrences do not look there, and masked keys have the weight 0 (``exp(-10000)`` in float32). So it is
left out. Layers and parameters remain RecBole's, under RecBole's names.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.model.interface import TrainingHooks
from recbole_mmm4rec.model.self_attentive import transformer_settings
from recbole_mmm4rec.nn.buckets import groups_that_pay, in_buckets
from recbole_mmm4rec.nn.transformer import TransformerStack

Encode = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(b, W) histories, (b,) their lengths and (b,) their rows in the batch -> (b, ...)."""


class LengthGroups(TrainingHooks):
    """Comes before a sequential model of RecBole in the list of bases.

    Its ``forward(item_seq, lengths)`` gives user vectors, and a score is their product with a row of
    ``item_embedding``.
    """

    says_item_bound = False  # RecBole's models do not
    bucket_overhead = 12_800.0
    """What one more length group costs, see :class:`~recbole_mmm4rec.model.base.MultiModalRecommender`."""

    hidden_size: int
    item_embedding: nn.Embedding

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)  # type: ignore[call-arg]
        self._stacks: tuple[TransformerStack, ...] = ()  # in a tuple: their layers are registered by RecBole

    def train(self, mode: bool = True) -> Any:
        """Switch dropout in the stacks too."""
        for stack in self._stacks:
            stack.train(mode)
        return super().train(mode)  # type: ignore[misc]

    def by_length(self, encode: Encode, item_seq: Tensor, lengths: Tensor) -> Tensor:
        """``encode`` the batch (B, L) in groups of similar length, each as wide as its longest history."""

        def group(rows: Tensor, width: int) -> Tensor:
            return encode(item_seq[rows, :width], lengths[rows], rows)

        if torch.compiler.is_compiling():  # an exported graph has one width
            return encode(item_seq, lengths, torch.arange(len(lengths), device=lengths.device))
        return in_buckets(group, groups_that_pay(lengths, self.bucket_overhead / self.hidden_size))

    def user_vectors(self, interaction: Any) -> Tensor:
        """(B, D) user vectors of a batch."""
        model: Any = self
        return model(interaction[model.ITEM_SEQ], interaction[model.ITEM_SEQ_LEN])

    def item_matrix(self) -> Tensor | None:
        """(N + 1, D): scores are ``user_vectors @ item_matrix.T``."""
        return self.item_embedding.weight


def stack_over(encoder: nn.Module, config: Any) -> TransformerStack:
    """Our Transformer on the layers of RecBole's ``TransformerEncoder``, whose numbers it gives.

    Args:
        encoder: RecBole's, which keeps its layers.
        config: the run's configuration, by which it was built.
    """
    with torch.device("meta"):  # no random numbers are drawn and no memory taken for what is replaced at once
        stack = TransformerStack(transformer_settings(config))
    gelu = config["hidden_act"] == "gelu"
    ours: Any
    theirs: Any
    for ours, theirs in zip(stack.layers, encoder.layer, strict=True):  # type: ignore[arg-type]
        attention, feed_forward = theirs.multi_head_attention, theirs.feed_forward
        for name in ("query", "key", "value"):
            setattr(ours.attention, name, getattr(attention, name))
        ours.attention.out, ours.attention.layer_norm = attention.dense, attention.LayerNorm
        ours.ffn.fc1, ours.ffn.fc2 = feed_forward.dense_1, feed_forward.dense_2
        ours.ffn.layer_norm = feed_forward.LayerNorm
        ours.ffn.activation = F.gelu if gelu else feed_forward.intermediate_act_fn
    return stack

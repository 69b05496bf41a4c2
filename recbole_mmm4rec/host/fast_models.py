"""RecBole's SASRec, GRU4Rec, BERT4Rec and FDSA without the work on pads; the key ``recbole_code`` chooses.

Each class subclasses RecBole's of the same name: parameters, their names and first values, losses and scores
are RecBole's, and checkpoints of either load into the other. ``tests/host/test_fast_models.py`` compares
losses, gradients and scores. Dropout draws other random numbers.
"""

from typing import Any

import torch
from recbole.model.sequential_recommender import bert4rec, fdsa, gru4rec, sasrec
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.host.length_groups import LengthGroups, stack_over
from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.transformer import key_mask


class _Attentive(LengthGroups):
    """What the three models with a Transformer share: ``Drop(LN(vectors + positions))``."""

    position_embedding: nn.Embedding
    LayerNorm: nn.LayerNorm
    dropout: nn.Dropout

    def positioned(self, vectors: Tensor) -> Tensor:
        """(b, W, D) -> (b, W, D)."""
        return self.dropout(self.LayerNorm(vectors + self.position_embedding.weight[: vectors.shape[1]]))


class SASRec(_Attentive, sasrec.SASRec):
    """The last layer is computed at the last position only."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dropout = Dropout(self.dropout.p)
        self._stacks = (stack_over(self.trm_encoder, config),)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """(B, L) right-padded, (B,) -> (B, D)."""
        return self.by_length(self._encode, item_seq, item_seq_len)

    def _encode(self, item_seq: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        return self._stacks[0].last(self.positioned(self.item_embedding(item_seq)), lengths)


class GRU4Rec(LengthGroups, gru4rec.GRU4Rec):
    """The recurrence ends at the longest history of a group; the dense layer reads the last states only."""

    emb_dropout: nn.Dropout

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.emb_dropout = Dropout(self.emb_dropout.p)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """(B, L) right-padded, (B,) -> (B, embedding_size)."""
        return self.dense(self.by_length(self._encode, item_seq, item_seq_len))

    def _encode(self, item_seq: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        states, _ = self.gru_layers(self.emb_dropout(self.item_embedding(item_seq)))
        return self.gather_indexes(states, lengths - 1)


class BERT4Rec(_Attentive, bert4rec.BERT4Rec):
    """The last layer and the loss are computed at masked positions only.

    RecBole computes the scores of every place for a masked item, also of those that are empty. Its masks
    are used as they come: a masked first item has no loss (``bert4rec.py``, ``masked_index > 0``). A batch
    without any has the loss 0, where RecBole's is not a number.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dropout = Dropout(self.dropout.p)
        self._stacks = (stack_over(self.trm_encoder, config),)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Mean over the masked items: () float32."""
        wanted = interaction[self.MASK_INDEX]
        masked = wanted > 0
        places = max(1, int(masked.sum(1).max()))  # they are at the right of their rows
        lengths, masked = interaction[self.ITEM_SEQ_LEN], masked[:, -places:]
        read = self._read(interaction[self.MASK_ITEM_SEQ], lengths, wanted[:, -places:])
        users = self._output(read[masked])
        targets = interaction[self.POS_ITEMS][:, -places:][masked]
        if not len(targets):
            return users.sum()
        if self.loss_type == "CE":
            return F.cross_entropy(users @ self._items().T + self.output_bias, targets)
        negatives = interaction[self.NEG_ITEMS][:, -places:][masked]
        margin = self._pair_scores(users, targets) - self._pair_scores(users, negatives)
        return -(1e-14 + margin.sigmoid()).log().mean()

    def predict(self, interaction: Any) -> Tensor:
        """(B,) scores of the batch's items."""
        return self._pair_scores(self._last(interaction), interaction[self.ITEM_ID])

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, N + 1) scores of all items."""
        return self._last(interaction) @ self._items().T + self.output_bias

    def user_vectors(self, interaction: Any) -> Tensor:
        """(B, D + 1), the last one is 1: the weight of an item's bias."""
        return F.pad(self._last(interaction), (0, 1), value=1.0)

    def item_matrix(self) -> Tensor | None:
        """(N + 1, D + 1), the last one is the item's bias."""
        return torch.cat([self._items(), self.output_bias.unsqueeze(1)], dim=1)

    def item_vectors(self) -> Tensor | None:
        """(N + 1, D)."""
        return self._items()

    def _items(self) -> Tensor:
        """Without the row of the mask, which is the last one."""
        return self.item_embedding.weight[: self.n_items]

    def _pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """(n, D), (n,) -> (n,)."""
        return (users * self.item_embedding(items)).sum(-1) + self.output_bias[items]

    def _last(self, interaction: Any) -> Tensor:
        """(B, D) at a mask that takes the place after the last item; the first one makes room."""
        lengths = interaction[self.ITEM_SEQ_LEN]
        last = (lengths - 1).unsqueeze(1)
        moved = F.pad(interaction[self.ITEM_SEQ], (0, 1))[:, 1:].scatter(1, last, self.mask_token)
        return self._output(self._read(moved, lengths, last)[:, 0])

    def _read(self, item_seq: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """The Transformer at positions (B, R) of histories (B, L): (B, R, D)."""

        def encode(histories: Tensor, own: Tensor, rows: Tensor) -> Tensor:
            x = self.positioned(self.item_embedding(histories))
            return self._stacks[0](x, key_mask(valid_positions(own, x.shape[1])), positions[rows])

        return self.by_length(encode, item_seq, lengths)

    def _output(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.output_ln(self.output_gelu(self.output_ffn(x)))


class FDSA(_Attentive, fdsa.FDSA):
    """The last layers are computed at the last position only, an item's features once per batch."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dropout = Dropout(self.dropout.p)
        self._stacks = (
            stack_over(self.item_trm_encoder, config),
            stack_over(self.feature_trm_encoder, config),
        )

    def forward(self, item_seq: Tensor, item_seq_len: Tensor) -> Tensor:
        """(B, L) right-padded, (B,) -> (B, D)."""
        items, row = item_seq.unique(return_inverse=True)
        features = self._features(items)

        def encode(histories: Tensor, lengths: Tensor, rows: Tensor) -> Tensor:
            by_item, by_feature = self._stacks
            ids = by_item.last(self.positioned(self.item_embedding(histories)), lengths)
            found = features[row[rows, : histories.shape[1]]]
            return torch.cat([ids, by_feature.last(self.positioned(found), lengths)], dim=-1)

        both = self.by_length(encode, item_seq, item_seq_len)
        return self.dropout(self.LayerNorm(self.concat_layer(both)))

    def _features(self, items: Tensor) -> Tensor:
        """(n,) items -> (n, D) their features, weighed by attention over the fields."""
        kinds = self.feature_embed_layer(None, items.unsqueeze(0))
        fields = [kind["item"] for kind in kinds if kind["item"] is not None]
        return self.feature_att_layer(torch.cat(fields, dim=-2))[0][0]


FAST = {model.__name__: model for model in (SASRec, GRU4Rec, BERT4Rec, FDSA)}

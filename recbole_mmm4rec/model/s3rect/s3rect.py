"""S3-Rec with text features: Zhou et al., "Self-supervised learning for sequential recommendation with mutual
information maximization", CIKM 2020.

As in the UniSRec repository, an item is its own attribute, described by its text. Pre-training reads ids and
texts, fine-tuning only ids, both on the same dataset.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import PAD, TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.base import Table
from recbole_mmm4rec.model.s3rect.self_supervision import Views, agreement_loss, attribute_loss, draw_views
from recbole_mmm4rec.model.self_attentive import SelfAttentiveRecommender
from recbole_mmm4rec.model.settings import chosen, masks_missing
from recbole_mmm4rec.nn.id_table import IdTable, look_up
from recbole_mmm4rec.nn.item_table import FrozenFeatures, ModalityTable
from recbole_mmm4rec.nn.objectives import FullCatalogue
from recbole_mmm4rec.nn.padding import SIDES, pad_to
from recbole_mmm4rec.nn.sharing import part_of_sum
from recbole_mmm4rec.nn.transformer import TransformerEncoder, key_mask

LOSSES = ("aap", "mip", "map", "sp")
"""Associated attributes, masked items, masked attributes, segments."""


class MaskableTable(IdTable):
    """Item ids and a mask token, whose row comes after the items'."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width)
        self.mask = nn.Embedding(1, width)

    def with_mask(self) -> Tensor:
        """(N + 2, D)."""
        return torch.cat([self.embedding.weight, self.mask.weight])


class S3RecT(SelfAttentiveRecommender):
    """SASRec after self-supervised pre-training. Keys: ``properties/model/S3RecT.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT,)
    item_bound: tuple[str, ...] = ("table.embedding.",)
    pretraining_objectives: ClassVar[tuple[str, ...]] = ()
    scores_content: bool = False
    loss_features: tuple[str, ...] = (TEXT,)
    ranks_in_pretraining: bool = False

    table: MaskableTable
    encoder: TransformerEncoder

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.length: int = config["MAX_ITEM_LIST_LENGTH"]
        self.mask_ratio: float = config["mask_ratio"]
        self.weights = {name: float(config[f"{name}_weight"]) for name in LOSSES}
        self.padding = chosen(config, "pretrain_padding", SIDES)
        self.mask_is_candidate = bool(config["mask_is_candidate"])
        if self.mask_is_candidate and not isinstance(self.objective, FullCatalogue | None):
            raise UserError(f"mask_is_candidate: True needs the objective full, not {config['objective']}")

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> nn.Module:
        """Ids; in pre-training the texts are attributes."""
        self.attributes = None
        if self.pretraining:
            text, width = self.required_text(config, features), config["hidden_size"]
            self.attributes = ModalityTable({TEXT: text}, width, False, masks_missing(config))
            self.heads = nn.ModuleDict({name: nn.Linear(width, width) for name in LOSSES})
        return MaskableTable(self.n_items, config["hidden_size"])

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Fine-tuning: the objective; pre-training: the weighted sum of four losses."""
        if not self.pretraining:
            return super().calculate_loss(interaction)
        item_seq, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        views = draw_views(item_seq, lengths, self.n_items, self.mask_ratio)
        losses = self.pretraining_losses(views, lengths)
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()

    def trained_candidates(self, table: Table, items: Tensor | None = None) -> Tensor:
        """In the released code the mask token is one of all candidates."""
        return self.table.with_mask() if self.mask_is_candidate else super().trained_candidates(table, items)

    def pretraining_losses(self, views: Views, lengths: Tensor) -> dict[str, Tensor]:
        """The four losses, unweighted sums over the batch, by name; computed in buckets of similar length."""
        assert self.attributes is not None
        table, attributes = self.table.with_mask(), torch.relu(self.attributes()[TEXT])
        parts = [
            self._losses_of(table, attributes, views.take(rows, width), lengths[rows])
            for rows, width in self.buckets(lengths)
        ]
        return {name: part_of_sum(torch.stack([part[name] for part in parts]).sum()) for name in LOSSES}

    def _losses_of(
        self, table: Tensor, attributes: Tensor, views: Views, lengths: Tensor
    ) -> dict[str, Tensor]:
        """The same for histories of one bucket, given ids and mask (N + 2, D) and attributes (N + 1, D)."""
        states, place, _ = self._hidden(table, views.masked, lengths)
        chunk = self.softmax_chunk
        hidden, seen = place == self.n_items, (place != self.n_items) & (place != PAD)
        items, others = (self._placed(view, lengths)[0] for view in (views.positive, views.negative))
        segments = (views.masked_segment, views.positive_segment, views.negative_segment)
        around, right, wrong = (self._last(table, view, lengths) for view in segments)
        return {
            "aap": attribute_loss(self.heads["aap"](states[seen]), items[seen], attributes, chunk),
            "map": attribute_loss(self.heads["map"](states[hidden]), items[hidden], attributes, chunk),
            "mip": agreement_loss(
                self.heads["mip"](states[hidden]), table[items[hidden]], table[others[hidden]]
            ),
            "sp": agreement_loss(self.heads["sp"](around), right, wrong),
        }

    def _placed(self, item_seq: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Histories with their pads where they belong, and the position of their last items."""
        length = self.length if self.padding == "left" else item_seq.shape[1]
        return pad_to(item_seq, lengths, length, self.padding)

    def _hidden(self, table: Tensor, item_seq: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, L, D) that see both directions, their histories (B, L) and last positions (B,)."""
        place, last = self._placed(item_seq, lengths)
        x = self.encoder.input(look_up(table, place))
        return self.encoder.stack(x, key_mask(place > PAD)), place, last

    def _last(self, table: Tensor, item_seq: Tensor, lengths: Tensor) -> Tensor:
        """(B, D) states at the last item."""
        states, _, last = self._hidden(table, item_seq, lengths)
        return states[torch.arange(len(last), device=last.device), last]

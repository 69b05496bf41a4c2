"""UniSRec: Hou et al., "Towards universal sequence representation learning for recommender systems", 2022."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.model.cosine import CosineRecommender
from recbole_mmm4rec.model.settings import masks_missing
from recbole_mmm4rec.model.unisrec.adapted_table import AdaptedTable
from recbole_mmm4rec.model.unisrec.moe_adaptor import MoEAdaptor
from recbole_mmm4rec.nn.augmentation import drop_items, keep_mask
from recbole_mmm4rec.nn.id_table import IdTable
from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.nn.losses import contrastive_loss
from recbole_mmm4rec.nn.sharing import generator

WORD_DROP = "text_worddrop"
"""Modality with features of the same texts, some words left out; used in pre-training, where there is one."""


class UniSRec(CosineRecommender):
    """Text through a mixture of whitening maps. Keys: ``properties/model/UniSRec.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT,)
    companions: ClassVar[tuple[str, ...]] = (WORD_DROP,)
    item_bound: tuple[str, ...] = ("table.ids.",)
    pretraining_objectives: ClassVar[tuple[str, ...]] = ()
    item_rows: tuple[str, ...] = ("table.ids.",)
    loss_features: tuple[str, ...] = (WORD_DROP,)

    table: AdaptedTable

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.word_drop = self.frozen_features(dataset).get(WORD_DROP) if self.pretraining else None

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> nn.Module:
        """Text, and ids in transductive fine-tuning."""
        text, width = self.required_text(config, features), config["hidden_size"]
        adaptor = MoEAdaptor(text.width, width, config["n_exps"], config["adaptor_dropout_prob"])
        with_ids = config["item_ids"] and self.adds_item_rows
        ids = IdTable(self.n_items, width) if with_ids else None
        return AdaptedTable(text, adaptor, ids, masks_missing(config))

    def build_rest(self, config: Any) -> None:
        """Settings of the second view."""
        self.sequence_weight: float = config["seq_seq_weight"]
        self.drop_ratio: float = config["item_drop_ratio"]
        self.drop_share: float = config["item_drop_share"]
        self.reword_first = bool(config["reword_first"])

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Fine-tuning: the objective; pre-training: user against item and second view."""
        if not self.pretraining:
            return super().calculate_loss(interaction)
        items, item_seq, target_rows = self.batch_items(interaction)
        vectors, lengths = self.table(items), interaction[self.ITEM_SEQ_LEN]
        rewords = self.word_drop is not None and self._draw() >= self.drop_share
        keep_first = not (rewords and self.reword_first)
        keep = keep_mask(lengths, item_seq.shape[1], self.drop_ratio, keep_first)
        if rewords:
            assert self.word_drop is not None
            view, view_lengths = torch.where(keep, item_seq, item_seq + len(items)), lengths
            vectors = torch.cat([vectors, self.table.adapted(self.word_drop, items)])
        else:
            view, view_lengths = drop_items(item_seq, lengths, keep)
        users = self._users({"item": vectors}, item_seq, interaction)
        other_users = self._users({"item": vectors}, view, {self.ITEM_SEQ_LEN: view_lengths})
        return self.contrastive_loss(users, other_users, vectors[target_rows], interaction[self.POS_ITEM_ID])

    @staticmethod
    def _draw() -> float:
        """One number for the whole batch, whoever shares it."""
        return float(torch.rand((), generator=generator()))

    def contrastive_loss(
        self, users: Tensor, other_users: Tensor, positives: Tensor, targets: Tensor
    ) -> Tensor:
        """Equations (8) to (10): users (B, D), second views (B, D), target vectors (B, D), targets (B,)."""
        item, sequence = (
            contrastive_loss(users, self.scaled(others), targets, self.mask_equal_items)
            for others in (positives, other_users)
        )
        return item + self.sequence_weight * sequence

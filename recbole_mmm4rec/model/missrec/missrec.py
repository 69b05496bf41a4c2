"""MISSRec: Wang et al., "MISSRec: pre-training and transferring multi-modal interest-aware sequence
representation for recommendation", ACM Multimedia 2023.

A Transformer reads a user's interests, clusters of adapted texts and pictures that the history touches, and
decodes its items; candidates weigh their modalities by the user.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.columns import ID, IMAGE, PAD, TEXT
from recbole_mmm4rec.model.base import PRESENT, MultiModalRecommender, Table
from recbole_mmm4rec.model.missrec.candidate_weighing import CandidateWeighing
from recbole_mmm4rec.model.missrec.interest_encoder import InterestEncoder, norm_penalty
from recbole_mmm4rec.model.missrec.interests import CLUSTERINGS, InterestTable
from recbole_mmm4rec.model.objective import GBCE, IN_BATCH, SAMPLED
from recbole_mmm4rec.model.self_attentive import transformer_settings
from recbole_mmm4rec.model.settings import chosen, masks_missing
from recbole_mmm4rec.nn.augmentation import drop_items, keep_mask
from recbole_mmm4rec.nn.buckets import in_buckets
from recbole_mmm4rec.nn.id_table import IdTable, look_up
from recbole_mmm4rec.nn.item_table import ModalityTable
from recbole_mmm4rec.nn.losses import in_batch_loss
from recbole_mmm4rec.nn.parameters import initialise, start_as_torch
from recbole_mmm4rec.nn.scoring import FUSIONS
from recbole_mmm4rec.nn.sharing import largest, part_of_sum
from recbole_mmm4rec.nn.transformer import ATTENTION_STARTS, start_attentions_as_torch


class MISSRec(MultiModalRecommender):
    """Multi-modal interests. Keys: ``properties/model/MISSRec.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT, IMAGE)
    most_modalities: ClassVar[int | None] = 2
    immovable: tuple[str, ...] = ("interests.",)  # numbers of clusters that the adapters made
    item_rows: tuple[str, ...] = ("ids.", "fusion.", "interests.clusters")
    frozen_after_transfer: tuple[str, ...] = ("encoder.transformer.", "encoder.input.position.")
    pretraining_objectives: ClassVar[tuple[str, ...]] = (IN_BATCH, SAMPLED, GBCE)  # reads a batch's own items

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        features = self.required_features(config, dataset)
        self.names = tuple(features)
        self.mask_missing = masks_missing(config)
        self.table = ModalityTable(features, self.hidden_size, False, self.mask_missing)
        with_ids = config["item_ids"] and self.adds_item_rows
        self.ids = IdTable(self.n_items, self.hidden_size) if with_ids else None
        settings = replace(transformer_settings(config), layers=config["n_encoder_layers"])
        settings = replace(settings, inner_dropout=settings.dropout)
        self.encoder = InterestEncoder(settings, config["n_decoder_layers"], self.max_seq_length)
        weighing = chosen(config, "item_mm_fusion", FUSIONS)
        add_single = chosen(config, "single_modality_ids", ("mean", "sum")) == "sum"
        self.fusion = CandidateWeighing(
            len(features), self.n_items, weighing, config["temperature"], add_single
        )
        own_weights = ("fusion.",) if weighing == "dynamic_instance" else ()
        self.item_bound = ("ids.", "interests.", *own_weights)
        self._build_rest(config)
        initialise(self, config["initializer_range"])
        self._start_as_torch(config)

    def _start_as_torch(self, config: Any) -> None:
        """First values of torch's own layers instead, where the keys ask for them."""
        if chosen(config, "adapter_start", ("normal", "torch")) == "torch":
            start_as_torch(self.table.adapters)
        if chosen(config, "attention_start", ATTENTION_STARTS) == "xavier":
            start_attentions_as_torch(self.encoder.modules())

    def _build_rest(self, config: Any) -> None:
        ratio = config["pretrain_interest_ratio" if self.pretraining else "interest_ratio"]
        self.interests = InterestTable(
            self._clustered(),
            self.hidden_size,
            ratio,
            chosen(config, "clustering", CLUSTERINGS),
            config["cluster_iterations"],
            config["knn_ratio"],
            config["seed"],
        )
        self.temperature, self.regulariser_weight = config["temperature"], config["regulariser_weight"]
        self.contextual = chosen(config, "seq_mm_fusion", ("add", "contextual")) == "contextual"
        self.all_slots = chosen(config, "regularised_slots", ("real", "all")) == "all"
        self.sequence_weight, self.drop_ratio = config["seq_seq_weight"], config["item_drop_ratio"]
        self.own_pictures = chosen(config, "view_pictures", ("own", "original")) == "own"
        if not config["freeze_encoder"]:
            self.frozen_after_transfer = ()

    def _clustered(self) -> dict[str, Tensor]:
        """(N + 1,) bool per modality: what there is to cluster, in the released code of every item."""
        items = torch.arange(self.n_items) > PAD
        there = self.table.present()
        return {name: has.squeeze(1) if self.mask_missing else items for name, has in there.items()}

    # Items -----------------------------------------------------------------------------------------------

    def item_table(self, items: Tensor | None = None) -> Table:
        """Adapted features and ids, (n, D) each, and which features an item has, (n, M) bool."""
        table = self.table(items) | {PRESENT: torch.cat([*self.table.present(items).values()], dim=1)}
        return table if self.ids is None else table | {ID: self.ids(items)}

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:
        """(n, C), see :class:`~recbole_mmm4rec.model.missrec.candidate_weighing.CandidateWeighing`."""
        there = table[PRESENT] if self.mask_missing else torch.ones_like(table[PRESENT])
        return self.fusion.candidates([table[name] for name in self.names], table.get(ID), there, items)

    def scores(self, users: Tensor, candidates: Tensor) -> Tensor:
        """(..., B, D), (..., n, C) -> (..., B, n)."""
        return self.fusion.scores(users, candidates)

    def item_matrix(self) -> Tensor | None:
        """(N + 1, D) where weights are static; None where they depend on the user."""
        return super().item_matrix() if self.fusion.factor is None else None

    def item_vectors(self) -> Tensor:
        """(N + 1, M D): a cosine is the mean of the modalities' own, whatever a user's weights are."""
        table = self._full_table()
        return torch.cat([F.normalize(table[name], dim=-1) for name in (*self.names, ID) if name in table], 1)

    # Users -----------------------------------------------------------------------------------------------

    def adopt_items(self, first: int) -> None:
        """Rows from ``first`` on belong to the interests that their vectors are nearest to."""
        if self.interests.fitted:
            self.interests.assign(self.table(), first)

    def before_epoch(self, epoch: int) -> None:  # noqa: ARG002
        """Interests follow the adapters."""
        self.discover_interests()

    @torch.no_grad()
    def discover_interests(self) -> None:
        """Cluster the adapted features of all items."""
        with torch.autocast(self.interests.centroids.device.type, enabled=False):
            self.interests.fit(self.table())

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """The interests."""
        return "reads the interests of the whole history"

    def context(self, interaction: Any) -> list[Tensor]:
        """Interests (B, S) of the histories."""
        return [self.interests_of(dict.fromkeys(self.names, interaction[self.ITEM_SEQ]))]

    def interests_of(self, item_seqs: Mapping[str, Tensor]) -> Tensor:
        """(B, S) interests of histories (B, W) of item numbers, one per modality and of equal shape."""
        if not (torch.compiler.is_compiling() or self.interests.fitted):
            self.discover_interests()
        item_seq = torch.stack([item_seqs[name] for name in self.names], dim=2)
        if self.all_slots:  # the released histories are as long as the longest possible one
            item_seq = F.pad(item_seq, (0, 0, 0, self.max_seq_length - item_seq.shape[1]))
        tokens = self.interests.tokens(item_seq, keep_zero=self.all_slots)
        if not self.all_slots:
            return tokens
        return F.pad(tokens, (0, largest(tokens.shape[1], tokens.device) - tokens.shape[1]))

    def seen_in_view(self, item_seq: Tensor, view: Tensor) -> dict[str, Tensor]:
        """Per modality the items (B, W) that a second ``view`` (B, W) of ``item_seq`` (B, W) shows."""
        seen = dict.fromkeys(self.names, view)
        return seen if self.own_pictures or IMAGE not in seen else seen | {IMAGE: item_seq}

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, D) of length 1."""
        return self._encoded(table, item_seq, lengths, context)[:, :-1]

    def _encoded(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:
        """(b, D + 1): the user vectors, and in the last column the regulariser of each.

        ``context`` holds the interests (b, S), and rows (b, W) per modality where a user is not to see the
        modalities of the items themselves.
        """
        interests, *others = context
        if not (self.all_slots or torch.compiler.is_compiling()):
            interests = interests[:, : max(1, int((interests > 0).sum(1).max()))]
        rows = dict.fromkeys(self.names, item_seq)
        rows |= {name: shown[:, : item_seq.shape[1]] for name, shown in zip(self.names, others, strict=False)}
        streams, valid = self._streams(table, item_seq, rows)
        real = interests > 0
        users, memory = self.encoder(streams, valid, lengths, self.interests.vectors(interests), real)
        penalty = norm_penalty(memory, real, self.all_slots)
        return torch.cat([F.normalize(users, dim=-1), penalty.unsqueeze(1)], dim=1)

    def _streams(
        self, table: Table, item_seq: Tensor, rows: Mapping[str, Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Item tokens (b, W, D) for the decoder, one per item or modality, and which of them exist."""
        vectors, valid = [look_up(table[name], rows[name]) for name in self.names], item_seq > PAD
        own = look_up(table[ID], item_seq) if ID in table else 0.0
        if not self.contextual:
            return [torch.stack(vectors).sum(0) + own], [valid]
        there = [table[PRESENT][rows[name], at] for at, name in enumerate(self.names)]
        return [v + own for v in vectors], [valid & has for has in there]

    # Losses ----------------------------------------------------------------------------------------------

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The objective, or the losses of pre-training, and the regulariser."""
        if self.pretraining:
            losses = self.pretraining_losses(interaction, *self._view(interaction))
            weights = {"sequence": self.sequence_weight, "regulariser": self.regulariser_weight}
            return torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
        step = self.plan(interaction[self.ITEM_SEQ], interaction[self.POS_ITEM_ID], self.seen(interaction))
        table, context = self.step_table(step), self.context(interaction)
        users, penalty = self._users_and_penalty(
            table, step.item_seq, interaction[self.ITEM_SEQ_LEN], context
        )
        return self.objective_loss(users, table, step) + self.regulariser_weight * penalty

    def _view(self, interaction: Any) -> tuple[Tensor, Tensor]:
        """Second views of the histories, (B, W) items and (B,) lengths."""
        item_seq, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        return drop_items(item_seq, lengths, keep_mask(lengths, item_seq.shape[1], self.drop_ratio))

    def pretraining_losses(self, interaction: Any, view: Tensor, view_lengths: Tensor) -> dict[str, Tensor]:
        """User against item, user against second view, regulariser of both; unweighted, () float32 each."""
        step = self.plan(interaction[self.ITEM_SEQ], interaction[self.POS_ITEM_ID], self.seen(interaction))
        items, item_seq = step.items, step.item_seq
        assert items is not None
        table = self.item_table(items)
        users, penalty = self._users_and_penalty(
            table, item_seq, interaction[self.ITEM_SEQ_LEN], self.context(interaction)
        )
        seen = self.seen_in_view(interaction[self.ITEM_SEQ], view)
        context = [self.interests_of(seen), *(torch.searchsorted(items, seen[name]) for name in self.names)]
        rows = torch.searchsorted(items, view)
        others, other_penalty = self._users_and_penalty(table, rows, view_lengths, context)
        return {
            "item": self.objective_loss(users, table, step),
            "sequence": in_batch_loss(users, others / self.temperature, step.targets, self.mask_equal_items),
            "regulariser": penalty + other_penalty,
        }

    def _users_and_penalty(
        self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """(B, D) user vectors and the batch's regulariser ()."""

        def encode(rows: Tensor, width: int) -> Tensor:
            return self._encoded(table, item_seq[rows, :width], lengths[rows], [p[rows] for p in context])

        encoded = in_buckets(encode, self.buckets(lengths))
        return encoded[:, :-1], part_of_sum(encoded[:, -1].sum())

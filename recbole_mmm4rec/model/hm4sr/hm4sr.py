"""HM4SR: "Hierarchical time-aware mixture of experts for multi-modal sequential recommendation", WWW 2025.

Streams of ids, texts and pictures -> experts of their interaction -> experts of the time -> one Transformer
per stream -> the sum of the streams' products; three losses beside the cross-entropy. The original has no
pre-training; here it is the cross-entropy over the batch, with the same losses beside it.
"""

from collections.abc import Mapping
from logging import getLogger
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.columns import ID, IMAGE, TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.base import Table
from recbole_mmm4rec.model.hm4sr.categories import CategoryHead, item_categories
from recbole_mmm4rec.model.hm4sr.stream_mixture import MixtureSettings, StreamMixtureEncoder
from recbole_mmm4rec.model.self_attentive import transformer_settings
from recbole_mmm4rec.model.settings import chosen
from recbole_mmm4rec.model.streams import StreamRecommender
from recbole_mmm4rec.nn.augmentation import some_positions
from recbole_mmm4rec.nn.buckets import in_buckets
from recbole_mmm4rec.nn.id_table import look_up
from recbole_mmm4rec.nn.losses import contrastive_loss
from recbole_mmm4rec.nn.parameters import initialise, start_as_torch
from recbole_mmm4rec.nn.time_aware import time_gaps

LOSSES = ("idcl", "pcl", "cp")
"""Beside the cross-entropy: id contrast, placeholder contrast, category prediction."""

INDICES = ("item", "sample")
STARTS = ("normal", "torch")
TEMPORAL_STARTS = ("one", "zero")


class HM4SR(StreamRecommender):
    """Keys: ``properties/model/HM4SR.yaml``."""

    bucket_overhead: ClassVar[float] = 30_000  # many small products

    item_bound: tuple[str, ...] = ("ids.", "categories.")
    loss_only: tuple[str, ...] = ("categories.",)
    without_losses: Mapping[str, Any] = {"category_field": None, "cp_weight": 0.0}
    whole_batch_values: ClassVar[Mapping[str, str]] = {"category_index": "sample"}

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.weights = {name: float(config[f"{name}_weight"]) for name in LOSSES}
        self.temperatures = {name: float(config[f"{name}_temperature"]) for name in LOSSES[:2]}
        self.placeholder_share: float = config["placeholder_share"]
        self.time_unit: float = config["time_unit"]
        with_time = bool(config["use_time"]) and getattr(dataset, "has_time", False)
        mixture = self._mixture(config, with_time)
        self.encoder = StreamMixtureEncoder(mixture, transformer_settings(config), self.table.adapters.keys())
        self._build_categories(config, dataset)
        initialise(self, config["initializer_range"])
        self.encoder.start_placeholders(config["initializer_range"])
        if chosen(config, "expert_start", STARTS) == "torch":
            start_as_torch(self.encoder.interaction, self.encoder.placeholders)
            if self.categories is not None:
                start_as_torch(self.categories)

    def _mixture(self, config: Any, with_time: bool) -> MixtureSettings:
        weights = config["interaction_weights"]
        named = (ID, TEXT, IMAGE, *(name for name in self.streams if name not in (ID, TEXT, IMAGE)))
        if len(weights) not in (3, len(named)):
            raise UserError(f"interaction_weights: {weights} are not numbers for id, text and image")
        start = dict(zip(named, [*weights, *weights[-1:] * (len(named) - len(weights))], strict=True))
        return MixtureSettings(
            start={name: float(start[name]) for name in self.streams},
            length=self.max_seq_length,
            interaction_experts=config["interaction_experts"],
            temporal_experts=config["temporal_experts"] if with_time else 0,
            train_temporal=bool(config["train_temporal_experts"]),
            temporal_around_one=chosen(config, "temporal_start", TEMPORAL_STARTS) == "one",
            gap_buckets=config["gap_buckets"],
            longest_gap=config["longest_gap"],
        )

    def _build_categories(self, config: Any, dataset: Any) -> None:
        field = config["category_field"]
        self.misindexed = chosen(config, "category_index", INDICES) == "sample"
        categories = item_categories(dataset, field)
        self.categories = None
        if categories is None and self.weights["cp"]:
            getLogger().info("HM4SR: no category_field, so it learns without the prediction of categories")
        if categories is not None:
            self.categories = CategoryHead(categories, self.hidden_size * len(self.streams))
            count, least = categories.shape[1], self.max_seq_length
            if self.misindexed and count < least:
                raise UserError(f"category_index: sample needs {least} categories, {field} has {count}")

    def context(self, interaction: Any) -> list[Tensor]:
        """(B, L) gaps in seconds and (B, L) moments in time units, both float32, where there are times."""
        if not self.encoder.with_time:
            return []
        times = interaction[self.TIME_SEQ]
        gaps = time_gaps(times, interaction[self.ITEM_SEQ_LEN], log=False)
        return [gaps, (times / self.time_unit).float()]

    def encode(
        self,
        table: Table,
        item_seq: Tensor,
        lengths: Tensor,
        context: list[Tensor],
        hidden: Tensor | None = None,
    ) -> Tensor:
        """(b, W) rows of the tables -> (b, M D), or (b, 2 M D) with a second view for ``hidden`` (b, W)."""
        histories = {name: look_up(table[name], item_seq) for name in self.streams}
        times = [part[:, : item_seq.shape[1]] for part in context]
        views = self.encoder(histories, lengths, times, hidden)
        return torch.cat([self.joined(view) for view in views], dim=1)

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the tables -> (b, W, M D)."""
        histories = {name: look_up(table[name], item_seq) for name in self.streams}
        return self.joined(self.encoder.every(histories, [part[:, : item_seq.shape[1]] for part in context]))

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """Losses beside the objective; the encoder is causal, its times too."""
        weights = {"pcl_weight": config["pcl_weight"]}
        weights |= {"cp_weight": config["cp_weight"]} if config["category_field"] else {}
        on = [name for name, weight in weights.items() if weight]
        return f"has a loss over whole histories; {on[0]}: 0 switches it off" if on else None

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The objective and the weighted losses beside it: () float32."""
        lengths, width = interaction[self.ITEM_SEQ_LEN], interaction[self.ITEM_SEQ].shape[1]
        losses = self.losses(interaction, some_positions(lengths, width, self.placeholder_share))
        return torch.stack([self.weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()

    def losses(self, interaction: Any, hidden: Tensor) -> dict[str, Tensor]:
        """The objective ``ce`` and those of :data:`LOSSES` that have a weight, unweighted, by name.

        Args:
            interaction: the batch.
            hidden: (B, W) bool, positions that placeholders replace in the second view.
        """
        targets = interaction[self.POS_ITEM_ID]
        step = self.plan(interaction[self.ITEM_SEQ], targets, self.seen(interaction))
        table = self.step_table(step)
        users, views = self._both_views(table, step.item_seq, interaction, hidden)
        losses = {"ce": self.objective_loss(self.joined(users), table, step)}
        if self.weights["idcl"]:
            losses["idcl"] = self._contrast(users[ID], table[ID][step.target_rows], targets, "idcl")
        if self.weights["pcl"]:
            parts = [self._contrast(users[n], views[n], targets, "pcl") for n in self.table.adapters]
            losses["pcl"] = torch.stack(parts).mean()
        if self.weights["cp"] and self.categories is not None:
            vectors = self.candidates(table, step.items)
            losses["cp"] = self._category_loss(self.categories, vectors, step.item_seq, step.items)
        return losses

    def _both_views(
        self, table: Table, item_seq: Tensor, interaction: Any, hidden: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """User vectors (B, D) per stream of the histories, and of them with placeholders where ``hidden``."""
        if not self.weights["pcl"]:
            alone = self._split(self._users(table, item_seq, interaction))
            return alone, alone
        lengths, context = interaction[self.ITEM_SEQ_LEN], self.context(interaction)

        def encode(rows: Tensor, width: int) -> Tensor:
            times = [part[rows] for part in context]
            return self.encode(table, item_seq[rows, :width], lengths[rows], times, hidden[rows, :width])

        users, views = in_buckets(encode, self.buckets(lengths)).chunk(2, dim=1)
        return self._split(users), self._split(views)

    def _split(self, joined: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.streams, joined.chunk(len(self.streams), dim=1), strict=True))

    def _contrast(self, users: Tensor, others: Tensor, targets: Tensor, name: str) -> Tensor:
        """InfoNCE of cosines."""
        others = F.normalize(others, dim=-1) / self.temperatures[name]
        return contrastive_loss(F.normalize(users, dim=-1), others, targets, self.mask_equal_items)

    def _category_loss(
        self, head: CategoryHead, vectors: Tensor, item_seq: Tensor, items: Tensor | None
    ) -> Tensor:
        """Of the items of the histories (B, W), given all vectors (n, M D) side by side."""
        if not self.misindexed:
            counts = torch.bincount(item_seq.flatten(), minlength=len(vectors))
            return head(vectors, counts.index_fill(0, counts.new_tensor(0), 0), items)
        first = F.pad(item_seq, (0, self.max_seq_length - item_seq.shape[1])).flatten()[: len(item_seq)]
        numbers = first if items is None else items[first]
        samples, positions = (item_seq > 0).nonzero(as_tuple=True)
        ids, others = vectors.tensor_split([self.hidden_size], dim=1)
        # in the released code the pad's id sends no gradient back, its texts and pictures do
        placed = torch.cat([look_up(ids, first), others[first]], dim=1)
        return head.misindexed(placed, numbers, (samples, positions))

"""MMM4Rec: Multi-Modal Mamba for Sequential Recommendation (arXiv 2506.02916).

Frozen features -> adapters -> one time-aware SSD block shared by text and image -> cross-SSD in which the
image stream queries the text stream -> user vector -> inner products with the adapted items.
"""

from collections.abc import Mapping
from dataclasses import replace
from logging import getLogger
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import IMAGE, TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.base import MultiModalRecommender, Table
from recbole_mmm4rec.model.mmm4rec.causal_filter import CausalFilter
from recbole_mmm4rec.model.mmm4rec.fourier import DualChannelFilter
from recbole_mmm4rec.model.mmm4rec.released import convert_mmm4rec
from recbole_mmm4rec.model.positions import whole_history_times
from recbole_mmm4rec.model.settings import (
    absent_vectors,
    chosen,
    conv_activation,
    ssd_settings,
    time_branch,
    time_settings,
)
from recbole_mmm4rec.nn.drawn_adapter import DrawnLinear
from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.feed_forward import FeedForward
from recbole_mmm4rec.nn.item_stream import ItemStream, KeptTable, Stream, values
from recbole_mmm4rec.nn.item_table import FrozenFeatures, ModalityTable
from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.parameters import initialise
from recbole_mmm4rec.nn.score_bias import ScoreBias
from recbole_mmm4rec.nn.scoring import CandidateFusion
from recbole_mmm4rec.nn.stream_dropout import StreamDropout
from recbole_mmm4rec.nn.tail import Tail
from recbole_mmm4rec.nn.time_aware import GapNorm, TimeGate, TimeScale, TimeSettings, time_gaps
from recbole_mmm4rec.nn.tissd import SSDSettings, TiSSD


class TimeLayer(nn.Module):
    """The time streams of one layer: multipliers of three step sizes, and the streams for the next layer."""

    def __init__(self, settings: TimeSettings, config: Any) -> None:
        super().__init__()
        self.align, self.gate = TimeScale(settings), TimeGate(settings)
        self.own_image = None
        if not config["share_alignment"]:
            self.own_image = nn.ModuleDict({"align": TimeScale(settings), "gate": TimeGate(settings)})
        self.filter = _time_filter(settings, config)
        self.fuse = TimeScale(replace(settings, activation=conv_activation(config)))

    def forward(
        self, text: Tensor, image: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Normalised gaps of both streams, (B, H, L) each, and (B, L) bool.

        Returns:
            (B, 3, H, L) multipliers for text alignment, image alignment and fusion; the two new streams.
        """
        own = self.own_image or {"align": self.align, "gate": self.gate}
        e_text, e_image = self.align(text), own["align"](image)
        text, image = self.gate(text, e_text, valid), own["gate"](image, e_image, valid)
        e_fused = self.fuse(self.filter(text, image))
        return torch.stack([e_text, e_image, e_fused], dim=1), (text, image)


def _time_filter(settings: TimeSettings, config: Any) -> nn.Module:
    """Maps two time streams (B, H, L) to one."""
    if settings.causal:
        return CausalFilter(settings.length, settings.heads)
    spectrum = config["full_spectrum"], config["crossed_bias"]
    return DualChannelFilter(settings.length, *spectrum, settings.lively)


class TokenLayer(nn.Module):
    """Alignment, equations (10) and (11), then fusion, equations (16) to (18)."""

    def __init__(self, settings: SSDSettings, config: Any) -> None:
        super().__init__()
        width, eps, dropout = settings.width, settings.norm_eps, config["dropout_prob"]
        inner = config["inner_size"]
        self.align = TiSSD(settings)
        self.own_align_image = None if config["share_alignment"] else TiSSD(settings)
        self.text_norm, self.image_norm = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.text_ffn = FeedForward(width, inner, dropout, eps)
        self.image_ffn = FeedForward(width, inner, dropout, eps) if config["image_ffn"] else nn.Identity()
        self.fuse = TiSSD(replace(settings, activation=conv_activation(config)))
        self.fusion_norm = nn.LayerNorm(width, eps)
        self.fusion_ffn = FeedForward(width, inner, dropout, eps)
        self.dropout = Dropout(dropout)
        self.context = settings.d_conv - 1

    def forward(
        self, text: Stream, image: Stream, scales: list[Tensor] | None, tail: Tail | None
    ) -> tuple[Tensor, Tensor]:
        """One layer on all positions, or, with ``tail``, only its fused output at the last ones.

        Args:
            text, image: (B, L, D).
            scales: three (B, L, H) multipliers of step sizes, or None without time.
            tail: in a last layer, the positions that are read.

        Returns:
            text stream (B, L, D) and fused stream (B, L, D), or (B, size, D) with ``tail``.
        """
        at_text, at_image, at_fused = scales if scales else (None, None, None)
        one_stream = image is text and self.own_align_image is None  # a model of one modality
        aligned = self.align(text, text, text, at_text)
        new_text: Tensor = self.text_ffn(self.text_norm(values(text) + self.dropout(aligned)))

        wider = tail and tail.wider(self.context, new_text.shape[1])
        aligned_image = self._aligned_image(image, at_image, wider, aligned if one_stream else None)
        new_image: Tensor = self.image_ffn(aligned_image)

        text_read = new_text if tail is None else tail.of(new_text)
        image_read = new_image if tail is None else new_image[:, -tail.size :]
        fused = self.fuse(new_text, new_image, image_read + text_read, at_fused, tail)
        fused = self.fusion_norm(self.dropout(fused) + image_read + text_read)
        return new_text, self.fusion_ffn(fused)

    def _aligned_image(
        self, image: Stream, scale: Tensor | None, tail: Tail | None, aligned: Tensor | None
    ) -> Tensor:
        """The image stream is only ever read as queries, so a tail of it is enough."""
        query = read = image
        if tail is not None:
            query, read = tail.wider(self.context, image.shape[1]).of(image), tail.of(image)
        if aligned is None:
            aligned = (self.own_align_image or self.align)(image, query, read, scale, tail)
        elif tail is not None:
            aligned = tail.of(aligned)
        return self.image_norm(values(read) + self.dropout(aligned))


class MMM4Rec(MultiModalRecommender):
    """Multi-modal Mamba. Keys: ``properties/model/MMM4Rec.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT, IMAGE)
    most_modalities: ClassVar[int | None] = 2
    item_bound: tuple[str, ...] = ("table.item_bias.", "fusion.", "score_bias.")
    item_rows: tuple[str, ...] = ("table.item_bias.", "fusion.", "score_bias.")

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        features = self.required_features(config, dataset)
        chosen(config, "fidelity", ("improved", "repaired", "reference"))
        self.use_time = bool(config["use_time"]) and getattr(dataset, "has_time", True)
        self.time_branch = time_branch(config)
        self.gap_log, self.gap_mask = config["gap_log"], config["gap_mask"]
        self._build(config, features)
        initialise(self, config["initializer_range"])
        self.table.start_absent(config["initializer_range"])
        if config["modality_dropout"]:
            self._start_stand_ins(config["initializer_range"])

    def _build(self, config: Any, features: Mapping[str, FrozenFeatures]) -> None:
        width, eps, names = config["hidden_size"], config["norm_eps"], tuple(features)
        self.query_stream, self.source_stream = names[-1], names[0]
        missing = chosen(config, "missing_modality", ("mask", "rescale", "constant"))
        item_bias = bool(config["item_ids"]) and self.adds_item_rows
        self.draws_adapters = self.pretraining and not config["pretrain_adapters"]
        if self.draws_adapters and config["modality_dropout"]:
            raise UserError("modality_dropout: pretrain_adapters: False has nothing learnt to stand in")
        if config["modality_dropout"] and len(names) == 1:
            getLogger().warning(f"modality_dropout: does nothing, {names[0]} is the only modality")
        adapter = DrawnLinear if self.draws_adapters else nn.Linear
        self.table = ModalityTable(features, width, item_bias, missing != "constant", adapter)
        if self.draws_adapters:  # they are of this dataset's features
            self.item_bound = (*self.item_bound, "table.adapters.")
            self.immovable = (*self.immovable, "table.adapters.")
        self.fusion = CandidateFusion(
            names,
            self.n_items,
            config["temperature"],
            config["item_mm_fusion"],
            config["normalise_candidates"],
            rescale_missing=missing == "rescale",
        )
        self.absent = nn.ModuleDict() if item_bias else absent_vectors(config, self.table)
        with_bias = bool(config["score_bias"]) and self.adds_item_rows
        self.score_bias = ScoreBias(self.n_items) if with_bias else None
        self.input_norm = nn.ModuleDict({name: nn.LayerNorm(width, eps) for name in names})
        self.modality_dropout = StreamDropout(config["modality_dropout"])
        self.dropout = Dropout(config["dropout_prob"])
        self.ssd = ssd_settings(
            config,
            edge=config["conv_edge"],
            bias_outside=config["dt_bias_outside"],
            length=config["MAX_ITEM_LIST_LENGTH"],
            unit_steps=config["time_lively_init"],
        )
        self.layers = nn.ModuleList(TokenLayer(self.ssd, config) for _ in range(config["num_layers"]))
        if self.use_time:
            time = time_settings(
                config,
                self.ssd.heads,
                scale_first=config["time_scale_first"],
                edge=config["conv_edge"],
                pointwise_gate=config["pointwise_gate"],
            )
            per_history = chosen(config, "gap_norm", ("history", "fixed")) == "history"
            self.gap_norm = GapNorm(time, per_history)
            self.time_layers = nn.ModuleList(TimeLayer(time, config) for _ in range(config["num_layers"]))

    def item_table(self, items: Tensor | None = None) -> Table:
        """Adapted vectors of text and image, (n, D) each."""
        return self.table(items)

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:
        """(n, D), divided by the temperature; (n, D + 1) with ``score_bias``."""
        vectors = self.fusion(table, self.table.present(items), items)
        return vectors if self.score_bias is None else self.score_bias.of_candidates(vectors, items)

    def item_vectors(self) -> Tensor:
        """(N + 1, D): how popular items are does not make them alike."""
        return self.fusion(self._full_table(), self.table.present())

    def context(self, interaction: Any) -> list[Tensor]:
        """The time branch: (B, 3, H, L) multipliers for every layer."""
        if not self.use_time:
            return []
        times, lengths = interaction[self.TIME_SEQ], interaction[self.ITEM_SEQ_LEN]
        gaps = time_gaps(times, lengths, self.gap_log, self.gap_mask)
        valid = valid_positions(lengths, times.shape[1]) if self.gap_mask else None
        streams, scales = (self.gap_norm(gaps, valid), self.gap_norm(gaps, valid)), []
        for layer in self.time_layers:
            scale, streams = layer(*streams, valid)
            scales.append(scale)
        return scales

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, D), the fused stream at the last position.

        With ``score_bias`` (b, D + 1).
        """
        return self._fused(table, item_seq, context, Tail(lengths, 1))[:, 0]

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, W, D), the fused stream; with ``score_bias`` (b, W, D + 1)."""
        return self._fused(table, item_seq, context, None)

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:
        """The paper's time branch."""
        return whole_history_times(config, has_time)

    def _fused(self, table: Table, item_seq: Tensor, context: list[Tensor], read: Tail | None) -> Tensor:
        """The fused stream where it is read, everywhere without ``read``: (b, W or size, D or D + 1)."""
        streams = self._inputs(table, item_seq)
        for number, layer in enumerate(self.layers):
            scales = None
            if context:
                trimmed = context[number][..., : item_seq.shape[1]]
                scales = [scale.transpose(1, 2) for scale in trimmed.unbind(1)]
            tail = read if number == len(self.layers) - 1 else None
            streams = layer(*streams, scales, tail)
        fused = values(streams[1])
        return fused if self.score_bias is None else self.score_bias.of_users(fused)

    def _inputs(self, table: Table, item_seq: Tensor) -> tuple[Stream, Stream]:
        """Input streams; with one modality both streams are that one.

        Without dropout they are the same wherever an item stands, so that a kept table holds them.
        """
        if isinstance(table, KeptTable) and not self.training:
            made = table.once("inputs", lambda: self._streams(dict(table)))
            streams: Mapping[str, Stream] = {n: ItemStream(table, n, made[n], item_seq) for n in made}
        else:
            streams = self._streams({name: vectors[item_seq] for name, vectors in table.items()})
        return streams[self.source_stream], streams[self.query_stream]

    def _streams(self, histories: dict[str, Tensor]) -> dict[str, Tensor]:
        """Item vectors (..., D) by modality -> what the first layer reads, (..., D)."""
        histories |= {name: absent(histories[name]) for name, absent in self.absent.items()}
        histories = self.modality_dropout(histories, self._stand_in)
        return {name: self.input_norm[name](self.dropout(h)) for name, h in histories.items()}

    def _stand_in(self, name: str) -> Tensor:
        """(D,) what an item that lacks the modality has in its stream."""
        if name in self.absent:
            return self.absent.get_parameter(f"{name}.vector")
        return self.table.adapters.get_parameter(f"{name}.bias")

    def _start_stand_ins(self, std: float) -> None:
        """A stand-in of ``StreamDropout`` must not start at zero, for the same reason as absent vectors."""
        for name in self.table.adapters:
            stand_in = self._stand_in(name)
            if not stand_in.any():
                nn.init.normal_(stand_in, std=std)

    def transfer_signature(self) -> dict[str, Any]:
        """Adds what the shapes of this model's weights depend on."""
        block = self.ssd
        sizes = {"num_layers": len(self.layers), "d_state": block.d_state}
        sizes |= {"expand": block.expand, "head_dim": block.head_dim, "n_groups": block.n_groups}
        facts: dict[str, Any] = {"time_branch": self.time_branch} if self.use_time else {}
        facts |= {"any_features": True} if self.draws_adapters else {}
        return super().transfer_signature() | sizes | {"d_conv": block.d_conv} | facts

    @classmethod
    def convert_released(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """State of the released code -> ours, see :mod:`recbole_mmm4rec.model.mmm4rec.released`."""
        return convert_mmm4rec(state)

"""HM4SR's encoder: two mixtures of experts over all streams of a history, then a Transformer per stream."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recbole_mmm4rec.model.hm4sr.stream_experts import InteractionExperts, TemporalExperts
from recbole_mmm4rec.model.hm4sr.time_embedding import MomentEmbedding
from recbole_mmm4rec.nn.dropout import Dropout
from recbole_mmm4rec.nn.transformer import TransformerSettings, TransformerStack


@dataclass(frozen=True)
class MixtureSettings:
    """Sizes of the mixtures of experts.

    Attributes:
        start: name of a stream -> first weight of what the interaction experts add to it.
        length: L.
        interaction_experts: experts of the first stage.
        temporal_experts: experts of the second stage; 0: no second stage, for data without times.
        train_temporal: whether their vectors learn.
        temporal_around_one: how they start, see ``TemporalExperts``.
        gap_buckets: see :class:`~recbole_mmm4rec.model.hm4sr.time_embedding.MomentEmbedding`.
        longest_gap: seconds, see there.
    """

    start: Mapping[str, float]
    length: int
    interaction_experts: int
    temporal_experts: int
    train_temporal: bool
    temporal_around_one: bool
    gap_buckets: int
    longest_gap: float


class StreamEncoder(nn.Module):
    """``Transformer(Drop(LN(x)))`` of one stream, at its last position."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(settings.width, settings.eps)
        self.dropout = Dropout(settings.dropout)
        self.stack = TransformerStack(settings)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, W, D) right-padded, (B,) int64 -> (B, D)."""
        return self.stack.last(self.dropout(self.layer_norm(x)), lengths)

    def every(self, x: Tensor) -> Tensor:
        """(B, W, D) right-padded -> (B, W, D), at every position."""
        return self.stack.every(self.dropout(self.layer_norm(x)))


class StreamMixtureEncoder(nn.Module):
    """Positions, interaction experts, temporal experts, Transformers, last positions.

    Args:
        mixture: of the experts.
        transformer: of every stream's own Transformer.
        hideable: streams that placeholders can replace in a second view.
    """

    def __init__(
        self, mixture: MixtureSettings, transformer: TransformerSettings, hideable: Collection[str]
    ) -> None:
        super().__init__()
        width, m = transformer.width, mixture
        self.position = nn.Embedding(m.length, width)
        self.interaction = InteractionExperts(m.start, width, m.interaction_experts)
        self.placeholders = nn.ModuleDict({name: nn.Linear(2 * width, width) for name in hideable})
        self.with_time = m.temporal_experts > 0
        if self.with_time:
            self.moments = MomentEmbedding(width, m.gap_buckets, m.longest_gap)
            self.temporal = TemporalExperts(
                len(m.start) * width,
                2 * width,
                m.temporal_experts,
                m.train_temporal,
                m.temporal_around_one,
            )
        self.encoders = nn.ModuleDict({name: StreamEncoder(transformer) for name in m.start})

    def start_placeholders(self, std: float) -> None:
        """Normal(0, std) for placeholders without times, which are their maps' biases.

        From zero every layer norm multiplies their gradients by ``eps ** -0.5``, and a few layers of that
        overflow (see :class:`~recbole_mmm4rec.nn.item_table.Absent`).
        """
        for layer in () if self.with_time else self.placeholders.values():
            nn.init.normal_(layer.bias, std=std)  # type: ignore[arg-type]

    def forward(
        self,
        histories: Mapping[str, Tensor],
        lengths: Tensor,
        times: Sequence[Tensor],
        hidden: Tensor | None = None,
    ) -> list[dict[str, Tensor]]:
        """User vectors.

        Args:
            histories: (B, W, D) item vectors per stream, right-padded.
            lengths: (B,) int64.
            times: (B, W) gaps in seconds and (B, W) moments, float32; nothing without times.
            hidden: (B, W) bool, positions of a second view that placeholders replace.

        Returns:
            (B, D) per stream, and with ``hidden`` the same of the second view.
        """
        streams, moments = self.mixed(histories, times)
        views = [streams]
        if hidden is not None:
            views.append(self._with_placeholders(streams, moments, hidden))
        return [{name: self.encoders[name](x, lengths) for name, x in view.items()} for view in views]

    def every(self, histories: Mapping[str, Tensor], times: Sequence[Tensor]) -> dict[str, Tensor]:
        """User vectors of all prefixes, (B, W, D) per stream; arguments as of :meth:`forward`."""
        streams, _ = self.mixed(histories, times)
        return {name: self.encoders[name].every(x) for name, x in streams.items()}  # type: ignore[operator]

    def mixed(
        self, histories: Mapping[str, Tensor], times: Sequence[Tensor]
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """The streams behind both stages of experts (B, W, D), and the embedded moments (B, W, 2 D)."""
        placed = {name: x + self.position.weight[: x.shape[1]] for name, x in histories.items()}
        streams = self.interaction(placed)
        if not self.with_time:
            return streams, None
        moments = self.moments(*times)
        return self.temporal(streams, moments), moments

    def _with_placeholders(
        self, streams: Mapping[str, Tensor], moments: Tensor | None, hidden: Tensor
    ) -> dict[str, Tensor]:
        """What a moment maps to, or one learnt vector without times, in the place of texts and pictures."""
        view = dict(streams)
        for name, layer in self.placeholders.items():
            assert isinstance(layer, nn.Linear)
            placeholder = layer.bias if moments is None else layer(moments)
            view[name] = torch.where(hidden.unsqueeze(-1), placeholder, streams[name])
        return view

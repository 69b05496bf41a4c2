"""TiM4Rec's time branch: step-size multipliers for every layer from the gaps of a history."""

from torch import Tensor, nn

from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.time_aware import GapNorm, TimeGate, TimeScale, TimeSettings, time_gaps


class TimeStreams(nn.Module):
    """Gaps -> norm -> per layer: multipliers, then a gated residual into the next layer.

    Args:
        settings: of the branch.
        layers: number of layers.
        log: of the gaps, see :func:`~recbole_mmm4rec.nn.time_aware.time_gaps`.
        per_history: of the norm, see :class:`~recbole_mmm4rec.nn.time_aware.GapNorm`.
    """

    no_decay = True

    def __init__(self, settings: TimeSettings, layers: int, log: bool, per_history: bool) -> None:
        super().__init__()
        self.settings, self.log = settings, log
        self.gap_norm = GapNorm(settings, per_history)
        self.scales = nn.ModuleList(TimeScale(settings) for _ in range(layers))
        self.gates = nn.ModuleList(TimeGate(settings) for _ in range(layers - 1))

    def forward(self, timestamps: Tensor, lengths: Tensor) -> list[Tensor]:
        """Multipliers of every layer's step sizes.

        Args:
            timestamps: (B, L) float64 seconds, 0 at pads.
            lengths: (B,) int64.

        Returns:
            (B, L, H) per layer.
        """
        masked = self.settings.masked
        gaps = time_gaps(timestamps, lengths, self.log, masked)
        valid = valid_positions(lengths, timestamps.shape[1]) if masked else None
        stream, multipliers = self.gap_norm(gaps, valid), []
        for number, layer in enumerate(self.scales):
            scale = layer(stream)
            multipliers.append(scale.transpose(1, 2))
            if number < len(self.gates):
                stream = self.gates[number](stream, scale, valid)
        return multipliers

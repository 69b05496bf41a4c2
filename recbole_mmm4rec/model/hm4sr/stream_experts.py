"""HM4SR's two mixtures of experts over the streams of a history: of their interaction, and of the time.

Source: "Hierarchical time-aware mixture of experts for multi-modal sequential recommendation", WWW 2025.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class InteractionExperts(nn.Module):
    """``x_m + w_m sum_k softmax(G_m x_m)_k (A_k [x_1; ..; x_M])_m``.

    Args:
        start: name of a stream m -> first value of w_m.
        width: D.
        experts: number of maps A_k from all streams to all streams.
    """

    def __init__(self, start: Mapping[str, float], width: int, experts: int) -> None:
        super().__init__()
        streams = len(start)
        self.shape = (experts, streams, width)
        self.experts = nn.Linear(streams * width, experts * streams * width)
        self.gates = nn.ModuleDict({name: nn.Linear(width, experts) for name in start})
        self.weight = nn.Parameter(torch.tensor(list(start.values())))

    def forward(self, streams: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, W, D) per stream -> (B, W, D) per stream."""
        said = self.experts(torch.cat(list(streams.values()), dim=-1)).unflatten(-1, self.shape)
        mixed = {}
        for place, (name, x) in enumerate(streams.items()):
            gate = self.gates[name](x).softmax(-1).unsqueeze(-2)
            mixed[name] = x + self.weight[place] * (gate @ said[..., place, :]).squeeze(-2)
        return mixed


class TemporalExperts(nn.Module):
    """``[x_1; ..; x_M] * sum_k softmax(G t)_k e_k``.

    Args:
        width: M D, of all streams together.
        time_width: of the embedded moment t.
        experts: number of vectors e_k.
        trained: False: the e_k stay as they started (the released HM4SR).
        around_one: the e_k start as Normal(1, 0.02), so that streams pass, yet not all alike, so that the
            gate has something to choose; False: as Normal(0, 0.1) (the released HM4SR).
    """

    no_decay = True

    def __init__(
        self, width: int, time_width: int, experts: int, trained: bool = True, around_one: bool = True
    ) -> None:
        super().__init__()
        self.around_one = around_one
        self.gate = nn.Linear(time_width, experts)
        self.experts = nn.Parameter(torch.empty(experts, width), requires_grad=trained)
        self.initialise()

    def initialise(self) -> None:
        """First values of the experts."""
        mean, std = (1.0, 0.02) if self.around_one else (0.0, 0.1)
        nn.init.normal_(self.experts, mean, std)

    def forward(self, streams: Mapping[str, Tensor], times: Tensor) -> dict[str, Tensor]:
        """(B, W, D) per stream and (B, W, time_width) -> (B, W, D) per stream."""
        scale = self.gate(times).softmax(-1) @ self.experts
        parts = scale.chunk(len(streams), dim=-1)
        return {name: x * part for (name, x), part in zip(streams.items(), parts, strict=True)}

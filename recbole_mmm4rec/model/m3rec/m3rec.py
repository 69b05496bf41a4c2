"""M3Rec: Mamba blocks with a mixture of modality experts (ICASSP 2025).

Ids, texts and pictures are three streams through the same Mamba blocks, each with its own
feed-forward experts. The original has no pre-training; here it is the cross-entropy over the batch that all
models share.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from recbole_mmm4rec.model.base import Table
from recbole_mmm4rec.model.m3rec.modality_experts import ModalityExpertEncoder, ModalityExpertLayer
from recbole_mmm4rec.model.settings import absent_vectors, mamba_settings
from recbole_mmm4rec.model.streams import StreamRecommender
from recbole_mmm4rec.nn.id_table import look_up
from recbole_mmm4rec.nn.mamba import Mamba
from recbole_mmm4rec.nn.parameters import initialise
from recbole_mmm4rec.nn.state_space_encoder import StateSpaceBlock


def two_maps(inputs: int, width: int) -> nn.Module:
    """Adapter of a feature, (n, D_m) -> (n, D)."""
    return nn.Sequential(nn.Linear(inputs, width), nn.LeakyReLU(), nn.Linear(width, width))


class M3Rec(StreamRecommender):
    """Keys: ``properties/model/M3Rec.yaml``."""

    knows_length: bool = False

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset, two_maps, bool(config["item_ids"]))
        width, dropout, count = self.hidden_size, config["dropout_prob"], config["num_layers"]
        cut = tuple(self.table.adapters) if config["cut_gradients"] else ()
        layers = []
        for _ in range(count):
            block = StateSpaceBlock(Mamba(mamba_settings(config)), width, dropout, residual=count > 1)
            layers.append(ModalityExpertLayer(block, self.streams, width, dropout, cut))
        self.encoder = ModalityExpertEncoder(layers, self.streams, width, dropout)
        self.absent = absent_vectors(config, self.table)
        self.scales = nn.ParameterDict({name: nn.Parameter(torch.ones(1)) for name in self.table.adapters})
        initialise(self, config["initializer_range"])

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:  # noqa: ARG002
        """(b, W) rows of the tables -> (b, M D)."""
        return self.joined(self.encoder(self._histories(table, item_seq), lengths))

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:  # noqa: ARG002
        """(b, W) rows of the tables -> (b, W, M D)."""
        return self.joined(self.encoder.every(self._histories(table, item_seq)))

    def _histories(self, table: Table, item_seq: Tensor) -> dict[str, Tensor]:
        """(b, W, D) per stream."""
        histories = {name: look_up(vectors, item_seq) for name, vectors in table.items()}
        return histories | {name: absent(histories[name]) for name, absent in self.absent.items()}

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """Nothing."""
        return None

    def joined(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """(..., D) per stream -> (..., M D); texts and pictures are each scaled by a learnt number."""
        scaled = {n: self.scales[n] * v if n in self.scales else v for n, v in vectors.items()}
        return super().joined(scaled)

"""TiM4Rec: Fan et al., "TiM4Rec: An efficient sequential recommendation model based on time-aware structured
state space duality model", 2024 (arXiv 2409.16182)."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.model.positions import whole_history_times
from recbole_mmm4rec.model.settings import chosen, conv_activation, ssd_settings, time_branch, time_settings
from recbole_mmm4rec.model.single_table import SingleTableRecommender, TextStream
from recbole_mmm4rec.model.tim4rec.time_streams import TimeStreams
from recbole_mmm4rec.nn.state_space_encoder import SelfTiSSD, StateSpaceEncoder, StateSpaceLayer


class TiM4Rec(SingleTableRecommender):
    """SSD blocks over item ids whose steps follow the gaps. Keys: ``properties/model/TiM4Rec.yaml``."""

    def build_encoder(self, config: Any) -> nn.Module:
        """The blocks; in the official code a single one has no residual around it."""
        width, dropout, layers = config["hidden_size"], config["dropout_prob"], config["num_layers"]
        self.ssd = ssd_settings(config, activation=conv_activation(config))
        eps = config["norm_eps"]
        residual = layers > 1 or config["always_residual"]
        stack = [
            StateSpaceLayer(SelfTiSSD(self.ssd), width, dropout, eps, residual, F.hardswish)
            for _ in range(layers)
        ]
        return StateSpaceEncoder(stack, width, dropout, eps)

    def build_rest(self, config: Any) -> None:
        """The time branch, where there are times."""
        self.time, self.time_branch = None, time_branch(config)
        if config["use_time"] and self.has_time:
            gaps = config["gap_dropout_prob"]
            settings = time_settings(
                config,
                self.ssd.heads,
                gap_dropout=config["dropout_prob"] if gaps is None else gaps,
                scale_first=True,
                pointwise_gate=config["pointwise_gate"],
                activation=self.ssd.activation,
            )
            per_history = chosen(config, "gap_norm", ("history", "fixed")) == "history"
            self.time = TimeStreams(settings, config["num_layers"], config["gap_log"], per_history)

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:
        """The paper's time branch."""
        return whole_history_times(config, has_time)

    def context(self, interaction: Any) -> list[Tensor]:
        """(B, L, H) multipliers of step sizes, one tensor per layer."""
        if self.time is None:
            return []
        return self.time(interaction[self.TIME_SEQ], interaction[self.ITEM_SEQ_LEN])

    def transfer_signature(self) -> dict[str, Any]:
        """Adds what the weights of the time branch are for."""
        branch = {} if self.time is None else {"time_branch": self.time_branch}
        return super().transfer_signature() | branch


class TiM4RecT(TextStream, TiM4Rec):
    """TiM4Rec over item texts instead of ids. Keys: ``properties/model/TiM4RecT.yaml``."""

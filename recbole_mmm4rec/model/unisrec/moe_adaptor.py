"""UniSRec's adaptor: a gated mixture of whitening maps of a text feature.

Source: Hou et al., "Towards universal sequence representation learning for recommender systems", KDD 2022,
equations (1) to (5).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.nn.dropout import Dropout


class MoEAdaptor(nn.Module):
    """``sum_k g_k (Drop(x) - b_k) W_k`` with ``g = softmax(x W_g + noise (softplus(x W_n) + 0.01))``.

    Args:
        inputs: D_t, width of the feature.
        width: D.
        experts: number of maps.
        dropout: of the feature, drawn anew for every expert.
    """

    def __init__(self, inputs: int, width: int, experts: int, dropout: float) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(experts, inputs))
        self.maps = nn.ModuleList(nn.Linear(inputs, width, bias=False) for _ in range(experts))
        self.gate = nn.Parameter(torch.zeros(inputs, experts))
        self.gate_noise = nn.Parameter(torch.zeros(inputs, experts))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Adapt features.

        Args:
            x: (..., D_t).
            noise: (..., experts) standard normal draws; None: drawn in training, none in evaluation.

        Returns:
            (..., D).
        """
        logits = x @ self.gate
        if noise is None and self.training:
            noise = torch.randn_like(logits)
        if noise is not None:
            logits = logits + noise * (F.softplus(x @ self.gate_noise) + 0.01)
        weights = logits.softmax(-1)
        adapted = 0.0
        for expert, linear in enumerate(self.maps):
            # W (x - b) as W x - W b: no gradient has to flow to the frozen x
            whitened = linear(self.dropout(x)) - linear(self.shift[expert])
            adapted = adapted + weights[..., expert, None] * whitened
        assert isinstance(adapted, Tensor)
        return adapted

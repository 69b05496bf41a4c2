"""VQ-Rec's item vectors: the mean of the embeddings of an item's codes.

Source: Hou et al., "Learning vector-quantized item representations for transferable sequential
recommenders", WWW 2023, equations (1) to (3) and (8), (9).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CodeTable(nn.Module):
    """Code embeddings, and item vectors from codes.

    Args:
        parts: M, codes per item.
        values: V values per code. Every part has V + 1 rows, the first of which means "nothing"; row 0 of
            the whole table is the vector of items without codes and stays zero.
        width: D.
    """

    def __init__(self, parts: int, values: int, width: int) -> None:
        super().__init__()
        self.parts, self.values = parts, values
        self.embedding = nn.Embedding(parts * (values + 1), width)

    @torch.no_grad()
    def initialise(self) -> None:
        """An item without codes has no direction, so that it scores 0."""
        self.embedding.weight[0].zero_()

    def rows(self, codes: Tensor) -> Tensor:
        """Codes (n, M) in 0..V-1 -> row numbers (n, M) of the table."""
        first = torch.arange(self.parts, device=codes.device) * (self.values + 1)
        return codes + 1 + first

    def forward(self, rows: Tensor, table: Tensor | None = None) -> Tensor:
        """Item vectors.

        Args:
            rows: (n, M) int64 row numbers; all 0 for an item without codes.
            table: (M * (V + 1), D) in place of the learnt one, but for row 0.

        Returns:
            (n, D). Row 0 gets no gradient.
        """
        own = self.embedding.weight
        table = torch.cat([own[:1].detach(), (own if table is None else table)[1:]])
        return F.embedding_bag(rows, table, mode="mean")


class CodePermutation(nn.Module):
    """Which row of a loaded table a code of another quantiser should read, learnt by Sinkhorn iterations.

    In the released code a rounding stands between the choice and its gradient, so that nothing is learnt;
    here the choice is passed through straight (forward: the best row, backward: the soft assignment).

    Args:
        parts: M.
        values: V; the row for "nothing" takes part too.
        temperature: of the soft assignment.
        iterations: of the row and column normalisation.
    """

    def __init__(self, parts: int, values: int, temperature: float = 0.7, iterations: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(parts, values + 1, values + 1))
        self.temperature, self.iterations = temperature, iterations

    def soft(self, noise: Tensor | None = None) -> Tensor:
        """Nearly doubly stochastic (M, V + 1, V + 1).

        Args:
            noise: of that shape; None: Gumbel draws in training, none in evaluation, which so sees the learnt
                choice.
        """
        logits = (self.weight.exp() + 1e-6).log()
        if noise is None and self.training:
            noise = -torch.empty_like(logits).exponential_().log()
        logits = (logits if noise is None else logits + noise) / self.temperature
        for _ in range(self.iterations):
            logits = logits - logits.logsumexp(2, keepdim=True)
            logits = logits - logits.logsumexp(1, keepdim=True)
        return logits.exp()

    def forward(self, table: Tensor, noise: Tensor | None = None) -> Tensor:
        """Reassign the rows of a table (M * (V + 1), D); several rows may read the same one."""
        soft = self.soft(noise)
        hard = torch.zeros_like(soft).scatter_(2, soft.argmax(2, keepdim=True), 1.0)
        choice = hard + soft - soft.detach()
        return (choice @ table.view(*soft.shape[:2], -1)).flatten(0, 1)

"""Cross-entropy over a catalogue, some users at a time: their scores never leave the processor's cache.

The gradient of a cross-entropy needs nothing but the scores, so both come from one pass over them, and the
matrix of all scores, users times items, is never in memory.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

USERS = 128
"""Scored together: enough for a matrix product at full speed, few enough for a cache."""


def catalogue_cross_entropy(
    users: Tensor, candidates: Tensor, targets: Tensor, first: int = 0, left_out: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy of targets among the candidates, whose scores are inner products.

    Args:
        users: (B, D) float32, B at least 1.
        candidates: (N, D) float32.
        targets: (B,) int64 rows of ``candidates``.
        first: candidates before it do not compete.
        left_out: (B, S) int64 rows from ``first`` on that do not compete for that user, never the target.

    Returns:
        () float32.
    """
    loss: Tensor = _CatalogueCrossEntropy.apply(users, candidates, targets, first, left_out)
    return loss


def in_passing(users: Tensor, candidates: Tensor) -> bool:
    """Whether these are for :func:`catalogue_cross_entropy`: float32 on a CPU, products in full precision."""
    return (
        users.device.type == "cpu"
        and users.dtype == candidates.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


class _CatalogueCrossEntropy(torch.autograd.Function):
    """Exponentials are taken to base 2, twice as fast on a CPU; users are divided by ln 2 instead."""

    @staticmethod
    def forward(
        ctx: Any, users: Tensor, candidates: Tensor, targets: Tensor, first: int, left_out: Tensor | None
    ) -> Tensor:
        """Loss, and the gradients for a cotangent of 1."""
        grad_users, grad_candidates = torch.empty_like(users), torch.zeros_like(candidates)
        competing, grad_competing = candidates[first:], grad_candidates[first:]
        total, memory = users.new_zeros(()), users.new_empty(min(USERS, len(users)), len(competing))
        for start in range(0, len(users), USERS):
            rows = slice(start, start + USERS)
            some, right = users[rows], (targets[rows] - first).unsqueeze(1)
            scores = torch.mm(some / math.log(2), competing.T, out=memory[: len(some)])
            if left_out is not None:
                scores.scatter_(1, left_out[rows] - first, -torch.inf)
            wanted, highest = scores.gather(1, right), scores.amax(1, keepdim=True)
            weights = scores.sub_(highest).exp2_()
            sums = weights.sum(1, keepdim=True)
            total += (sums.log2() + highest - wanted).sum()
            weights.scatter_add_(1, right, -sums)  # sums times (softmax - one-hot)
            torch.mm(weights, competing, out=grad_users[rows]).div_(sums)
            grad_competing.addmm_(weights.T, some / sums)
        ctx.save_for_backward(grad_users.div_(len(users)), grad_candidates.div_(len(users)))
        return total * (math.log(2) / len(users))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Scaled."""
        grad_users, grad_candidates = ctx.saved_tensors
        return grad_users * grads[0], grad_candidates * grads[0], None, None, None

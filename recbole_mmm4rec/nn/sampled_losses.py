"""Losses against a sample of the items: sampled softmax and generalised binary cross-entropy.

Negatives are one sample for the whole batch, (K, C), or one per history, (B, K, C). Where a negative is the
row's own target, ``taken`` (B, K) says so, and it is left out.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.losses import Score, inner_products


def sampled_softmax_loss(
    users: Tensor,
    positives: Tensor,
    negatives: Tensor,
    log_expected: Tensor,
    taken: Tensor | None = None,
    score: Score = inner_products,
) -> Tensor:
    """Mean cross-entropy of the target against an estimate of the sum over all other items.

    ``exp(score) / expected`` over the drawn items has the sum over all of them as its mean (Jean et al., "On
    using very large target vocabulary", 2015), whatever the distribution they are drawn from.

    Args:
        users: (B, D).
        positives: (B, C), row b is the target of user b.
        negatives: (K, C) or (B, K, C).
        log_expected: (K,) or (B, K) float32, log of how often each negative is expected in its sample.
        taken: (B, K) bool, negatives to leave out.
        score: of users and candidates.

    Returns:
        () float32.
    """
    right, wrong = _scores(users, positives, negatives, score)
    wrong = wrong - log_expected
    if taken is not None:
        wrong = wrong.masked_fill(taken, -torch.inf)
    return (torch.cat([right.unsqueeze(1), wrong], dim=1).logsumexp(1) - right).mean()


def gbce_loss(
    users: Tensor,
    positives: Tensor,
    negatives: Tensor,
    beta: float,
    taken: Tensor | None = None,
    score: Score = inner_products,
) -> Tensor:
    """Mean generalised binary cross-entropy: a target's probability is ``sigmoid(score) ** beta``.

    Petrov and Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained with negative
    sampling", RecSys 2023, equation (13). The terms of a row are averaged over its target and negatives.

    Args:
        users: (B, D).
        positives: (B, C), row b is the target of user b.
        negatives: (K, C) or (B, K, C), drawn uniformly.
        beta: see :func:`gbce_beta`; 1 is the plain binary cross-entropy.
        taken: (B, K) bool, negatives to leave out.
        score: of users and candidates.

    Returns:
        () float32.
    """
    right, wrong = _scores(users, positives, negatives, score)
    terms = F.softplus(wrong)  # -log(1 - sigmoid)
    counted = torch.ones_like(terms) if taken is None else (~taken).to(terms.dtype)
    total = beta * F.softplus(-right) + (terms * counted).sum(1)
    return (total / (1 + counted.sum(1))).mean()


def gbce_beta(calibration: float, negatives: int, items: int) -> float:
    """The power that undoes the share ``t`` of the overconfidence that sampling brings.

    Args:
        calibration: t in 0..1; 0 is the plain binary cross-entropy, 1 calibrates fully.
        negatives: K, drawn per target.
        items: N.
    """
    rate = min(1.0, negatives / (items - 1))
    return rate * (calibration * (1 - 1 / rate) + 1 / rate)


def _scores(users: Tensor, positives: Tensor, negatives: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """(B,) scores of the targets and (B, K) of the negatives, float32."""
    single = users.unsqueeze(1)
    right = score(single, positives.unsqueeze(1)).flatten().float()
    wrong = score(users, negatives) if negatives.ndim == 2 else score(single, negatives).squeeze(1)
    return right, wrong.float()

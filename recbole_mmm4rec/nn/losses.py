"""Cross-entropy over the catalogue and over the batch, the only two losses of MMM4Rec, and InfoNCE."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from recbole_mmm4rec.nn.catalogue_softmax import catalogue_cross_entropy, in_passing
from recbole_mmm4rec.nn.sharing import rows_of_all

Score = Callable[[Tensor, Tensor], Tensor]
"""Scores (..., B, n) of users (..., B, D) and candidates (..., n, C), C whatever the scorer reads."""


def inner_products(users: Tensor, candidates: Tensor) -> Tensor:
    """(..., B, D), (..., n, D) -> (..., B, n)."""
    return users @ candidates.mT


def full_catalogue_loss(
    users: Tensor,
    candidates: Tensor,
    targets: Tensor,
    pad_is_candidate: bool = False,
    chunk: int = 0,
    score: Score = inner_products,
    smoothing: float = 0.0,
) -> Tensor:
    """Mean cross-entropy of the target among all items (equation (21)).

    Args:
        users: (B, D).
        candidates: (N + 1, C), already divided by the temperature.
        targets: (B,) int64 in 1..N.
        pad_is_candidate: keep row 0, the pad, among the negatives, as the released code does.
        chunk: items per chunk; 0 scores all at once (inner products on a CPU: those of 128 users at a time).
            The value is the same to rounding, the memory is B x chunk, at the price of computing the scores
            twice.
        score: of users and candidates.
        smoothing: share of the target that is spread evenly over all candidates.

    Returns:
        () float32.
    """
    first = 0 if pad_is_candidate else 1
    if score is inner_products and chunk <= 0 and smoothing <= 0 and in_passing(users, candidates):
        return catalogue_cross_entropy(users, candidates, targets, first)
    candidates, targets = candidates[first:], targets - first
    if chunk <= 0 or chunk >= len(candidates):
        return F.cross_entropy(score(users, candidates).float(), targets, label_smoothing=smoothing)
    target_scores = score(users.unsqueeze(1), candidates[targets].unsqueeze(1)).flatten().float()
    parts = [
        checkpoint(_sums, users, part, score, smoothing > 0, use_reentrant=False)
        for part in candidates.split(chunk)
    ]
    log_sums, sums = (torch.stack(values) for values in zip(*parts, strict=True))
    wanted = (1 - smoothing) * target_scores + smoothing * sums.sum(0) / len(candidates)
    return (log_sums.logsumexp(0) - wanted).mean()


def _sums(users: Tensor, candidates: Tensor, score: Score, plain_too: bool) -> tuple[Tensor, Tensor]:
    """(B, D), (n, C) -> (B,) float32 log of the scores' summed exponentials, (B,) their plain sum or 0."""
    scores = score(users, candidates).float()
    return scores.logsumexp(-1), scores.sum(-1) if plain_too else torch.zeros_like(scores[:, 0])


def in_batch_loss(
    users: Tensor,
    candidates: Tensor,
    targets: Tensor,
    mask_equal: bool = True,
    equal_logit: float = -torch.inf,
    own_negatives: Tensor | None = None,
    score: Score = inner_products,
    log_expected: Tensor | None = None,
    smoothing: float = 0.0,
) -> Tensor:
    """Mean cross-entropy of the target among the batch's own targets (equation (20)).

    Of a batch that processes share, the mean over this one's rows, against the targets of all of them.

    Args:
        users: (B, D).
        candidates: (B, C), row b is the target of user b, already divided by the temperature.
        targets: (B,) int64 item numbers.
        mask_equal: two rows with the same target are not negatives of each other.
        equal_logit: score of such a row, as some released codes have it (UniSRec: 0, a weight of 1).
        own_negatives: (B, D), row b is one more negative of user b, divided by the temperature too.
        score: of users and candidates.
        log_expected: (B,) float32, subtracted from the score of target b where it is a negative: the log of
            how often it is expected there, so that popular items are not pushed down for being popular.
        smoothing: share of the target that is spread evenly over all candidates of its row.

    Returns:
        () float32.
    """
    batch = rows_of_all(len(targets), targets.device)
    scores = score(users, batch.gather(candidates)).float()
    own = torch.arange(batch.total, device=targets.device)[batch.own]
    column = own.unsqueeze(1)
    if log_expected is not None:
        scores = scores - batch.gather(log_expected).expand_as(scores).scatter(1, column, 0.0)
    if mask_equal:
        same = targets.unsqueeze(1) == batch.gather(targets)
        scores = scores.masked_fill(same.scatter_(1, column, False), equal_logit)
    if own_negatives is not None:
        scores = torch.cat([scores, (users * own_negatives).sum(-1, keepdim=True).float()], dim=1)
    if smoothing <= 0:
        return F.cross_entropy(scores, own)
    logs, competes = scores.log_softmax(-1), scores > -torch.inf
    spread = logs.masked_fill(~competes, 0.0).sum(-1) / competes.sum(-1)
    return -((1 - smoothing) * logs.gather(1, column)[:, 0] + smoothing * spread).mean()


def contrastive_loss(
    users: Tensor, others: Tensor, targets: Tensor, mask_equal: bool, own_negatives: Tensor | None = None
) -> Tensor:
    """InfoNCE of users (B, D) of length 1 against ``others`` (B, D) of length 1 / temperature.

    As :func:`in_batch_loss`, but without ``mask_equal`` rows with the same target score 0, as in the released
    codes of UniSRec, VQ-Rec and HM4SR.
    """
    equal = -torch.inf if mask_equal else 0.0
    return in_batch_loss(users, others, targets, True, equal, own_negatives)

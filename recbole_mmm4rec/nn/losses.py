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
    seen: Tensor | None = None,
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
        seen: (B, S) int64 items that do not compete in that row, never its target, 0 for none; without
            smoothing, and the pad does not compete either.

    Returns:
        () float32.
    """
    first, left_out = 0 if pad_is_candidate else 1, None
    if seen is not None:
        first, left_out = 0, F.pad(seen, (0, 1))  # the pad is left out by its number
    if score is inner_products and chunk <= 0 and smoothing <= 0 and in_passing(users, candidates):
        return catalogue_cross_entropy(users, candidates, targets, first, left_out)
    candidates, targets = candidates[first:], targets - first
    if chunk <= 0 or chunk >= len(candidates):
        scores = score(users, candidates).float()
        scores = scores if left_out is None else scores.scatter(1, left_out, -torch.inf)
        return F.cross_entropy(scores, targets, label_smoothing=smoothing)
    target_scores = score(users.unsqueeze(1), candidates[targets].unsqueeze(1)).flatten().float()
    parts = [
        checkpoint(
            _sums,
            users,
            candidates[start : start + chunk],
            score,
            smoothing > 0,
            left_out,
            start,
            use_reentrant=False,
        )
        for start in range(0, len(candidates), chunk)
    ]
    log_sums, sums = (torch.stack(values) for values in zip(*parts, strict=True))
    wanted = (1 - smoothing) * target_scores + smoothing * sums.sum(0) / len(candidates)
    return (log_sums.logsumexp(0) - wanted).mean()


def _sums(
    users: Tensor, candidates: Tensor, score: Score, plain_too: bool, left_out: Tensor | None, start: int
) -> tuple[Tensor, Tensor]:
    """(B, D), (n, C) -> (B,) float32 log of the scores' summed exponentials, (B,) their plain sum or 0.

    ``left_out`` (B, S) are rows of all candidates, of which these begin at ``start``.
    """
    scores = score(users, candidates).float()
    if left_out is not None:
        rows = torch.arange(start, start + len(candidates), device=scores.device)
        # not -inf: a chunk all of whose items are left out would have gradients of NaN
        scores = scores.masked_fill(among(rows, left_out), torch.finfo(scores.dtype).min)
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
    seen: Tensor | None = None,
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
        seen: (B, S) int64 items that are not negatives for that row, never its target, 0 for none.

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
    if seen is not None:
        scores = scores.masked_fill(among(batch.gather(targets), seen), -torch.inf)
    if own_negatives is not None:
        scores = torch.cat([scores, (users * own_negatives).sum(-1, keepdim=True).float()], dim=1)
    if smoothing <= 0:
        return F.cross_entropy(scores, own)
    logs, competes = scores.log_softmax(-1), scores > -torch.inf
    spread = logs.masked_fill(~competes, 0.0).sum(-1) / competes.sum(-1)
    return -((1 - smoothing) * logs.gather(1, column)[:, 0] + smoothing * spread).mean()


def among(items: Tensor, seen: Tensor) -> Tensor:
    """Whether items (n,) or (B, n) are among those of a row of ``seen`` (B, S), all int64: (B, n) bool."""
    found = torch.zeros(len(seen), items.shape[-1], dtype=torch.bool, device=seen.device)
    for column in seen.unbind(1):  # a column at a time: (B, n, S) would not fit a large batch
        found |= items == column.unsqueeze(1)
    return found


def contrastive_loss(
    users: Tensor, others: Tensor, targets: Tensor, mask_equal: bool, own_negatives: Tensor | None = None
) -> Tensor:
    """InfoNCE of users (B, D) of length 1 against ``others`` (B, D) of length 1 / temperature.

    As :func:`in_batch_loss`, but without ``mask_equal`` rows with the same target score 0, as in the released
    codes of UniSRec, VQ-Rec and HM4SR.
    """
    equal = -torch.inf if mask_equal else 0.0
    return in_batch_loss(users, others, targets, True, equal, own_negatives)

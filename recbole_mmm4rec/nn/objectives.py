"""What a model's scores are trained for: which items a step needs, and the loss over them.

A model asks an objective to :meth:`~Objective.plan` a batch, makes vectors of the items of that
:class:`Step`, and hands users and candidates back. An objective over a sample never asks for the catalogue,
so that a step costs what its batch and its negatives cost.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.losses import Score, among, full_catalogue_loss, in_batch_loss
from recbole_mmm4rec.nn.negatives import NegativeSampler
from recbole_mmm4rec.nn.sampled_losses import gbce_beta, gbce_loss, sampled_softmax_loss
from recbole_mmm4rec.nn.sharing import rows_of_all


@dataclass(frozen=True)
class Step:
    """The items that get a vector in a training step, and the batch as rows of their table.

    Attributes:
        items: (n,) int64, sorted, the pad first; None: all N + 1, so that rows are item numbers.
        item_seq: (B, W) int64 rows of the histories.
        target_rows: (T,) int64 rows of the targets.
        targets: (T,) int64 item numbers.
        negative_rows: (K,) or (T, K) int64 rows of the negatives.
        log_expected: as wide, float32, log of how often each negative is expected in its sample.
        taken: (T, K) bool, negatives to leave out: the row's own target among shared ones, and ``seen``.
        seen: (T, S) int64 item numbers that do not compete with a row's target and are not it, 0 for none.
    """

    items: Tensor | None
    item_seq: Tensor
    target_rows: Tensor
    targets: Tensor
    negative_rows: Tensor | None = None
    log_expected: Tensor | None = None
    taken: Tensor | None = None
    seen: Tensor | None = None


def rows_of_items(*parts: Tensor) -> tuple[Tensor, ...]:
    """The different items of int64 tensors of any shapes, the pad among them, and each tensor as their rows.

    Returns:
        (n,) int64 sorted items, then one tensor of rows for every tensor.
    """
    items, rows = torch.unique(
        torch.cat([parts[0].new_zeros(1), *(part.flatten() for part in parts)]), return_inverse=True
    )
    pieces = rows[1:].split([part.numel() for part in parts])
    return items, *(piece.view_as(part) for piece, part in zip(pieces, parts, strict=True))


class Objective(nn.Module, ABC):
    """Holds no state that is trained or saved.

    Of a batch that processes share, each plans and scores its own rows; the loss is a mean over these.
    """

    def plan(self, item_seq: Tensor, targets: Tensor, seen: Tensor | None = None) -> Step:
        """The step of histories (B, W), targets (T,) and, if given, ``seen`` (T, S), int64 item numbers."""
        items, rows, target_rows = rows_of_items(item_seq, targets)
        return Step(items, rows, target_rows, targets, seen=seen)

    @abstractmethod
    def forward(self, users: Tensor, candidates: Tensor, step: Step, score: Score) -> Tensor:
        """The loss.

        Args:
            users: (T, D), row t is to find ``step.targets[t]``.
            candidates: (n, C) of ``step.items``.
            step: as planned.
            score: of users and candidates.

        Returns:
            () float32.
        """


class FullCatalogue(Objective):
    """Cross-entropy over all items; arguments as :func:`~recbole_mmm4rec.nn.losses.full_catalogue_loss`."""

    def __init__(self, pad_is_candidate: bool = False, chunk: int = 0, smoothing: float = 0.0) -> None:
        super().__init__()
        self.pad_is_candidate, self.chunk, self.smoothing = pad_is_candidate, chunk, smoothing

    def plan(self, item_seq: Tensor, targets: Tensor, seen: Tensor | None = None) -> Step:
        """All items."""
        return Step(None, item_seq, targets, targets, seen=seen)

    def forward(self, users: Tensor, candidates: Tensor, step: Step, score: Score) -> Tensor:
        """See :class:`Objective`."""
        return full_catalogue_loss(
            users,
            candidates,
            step.targets,
            self.pad_is_candidate,
            self.chunk,
            score,
            self.smoothing,
            step.seen,
        )


class InBatch(Objective):
    """Cross-entropy over the targets of the batch.

    Args:
        mask_equal: rows with the same target are not negatives of each other.
        counts: (N + 1,) int64, how often an item is a target: correct scores of negatives by the log of how
            often they are expected in a batch; None: leave them.
        smoothing: share of the target that is spread evenly over all candidates of its row.
    """

    counts: Tensor | None

    def __init__(self, mask_equal: bool = True, counts: Tensor | None = None, smoothing: float = 0.0) -> None:
        super().__init__()
        self.mask_equal, self.smoothing = mask_equal, smoothing
        self.register_buffer("counts", counts, persistent=False)

    def forward(self, users: Tensor, candidates: Tensor, step: Step, score: Score) -> Tensor:
        """See :class:`Objective`."""
        positives, log_expected = candidates[step.target_rows], None
        if self.counts is not None:
            share = self.counts[step.targets].clamp_min(1) / self.counts.sum()
            others = rows_of_all(len(users), users.device).total - 1
            log_expected = (max(1, others) * share).log()
        return in_batch_loss(
            users,
            positives,
            step.targets,
            self.mask_equal,
            score=score,
            log_expected=log_expected,
            smoothing=self.smoothing,
            seen=step.seen,
        )


class SampledObjective(Objective):
    """Plans a step with negatives.

    Args:
        sampler: of the negatives.
        count: K.
        shared: one sample for the whole batch; False: one per target.
    """

    def __init__(self, sampler: NegativeSampler, count: int, shared: bool = True) -> None:
        super().__init__()
        self.sampler, self.count, self.shared = sampler, count, shared

    def plan(self, item_seq: Tensor, targets: Tensor, seen: Tensor | None = None) -> Step:
        """The items of the batch and its negatives."""
        taken: Tensor | None
        if self.shared:
            negatives, log_expected = self.sampler.shared(self.count)
            taken = negatives == targets.unsqueeze(1)
        else:
            (negatives, log_expected), taken = self.sampler.beside(targets, self.count), None
        if seen is not None:
            hidden = among(negatives, seen)
            taken = hidden if taken is None else taken | hidden
        items, rows, target_rows, negative_rows = rows_of_items(item_seq, targets, negatives)
        return Step(items, rows, target_rows, targets, negative_rows, log_expected, taken)


class SampledSoftmax(SampledObjective):
    """Cross-entropy over a sample, corrected by the log of the probability of each draw."""

    def forward(self, users: Tensor, candidates: Tensor, step: Step, score: Score) -> Tensor:
        """See :class:`Objective`."""
        assert step.negative_rows is not None
        assert step.log_expected is not None
        positives, negatives = candidates[step.target_rows], candidates[step.negative_rows]
        return sampled_softmax_loss(users, positives, negatives, step.log_expected, step.taken, score)


class GeneralisedBCE(SampledObjective):
    """gSASRec's loss.

    Args:
        sampler: uniform, as the loss assumes.
        count: K.
        shared: one sample for the whole batch; False: one per target, as in gSASRec.
        calibration: t, see :func:`~recbole_mmm4rec.nn.sampled_losses.gbce_beta`.
    """

    def __init__(
        self, sampler: NegativeSampler, count: int, shared: bool = True, calibration: float = 0.75
    ) -> None:
        super().__init__(sampler, count, shared)
        self.beta = gbce_beta(calibration, count, len(sampler.weights) - 1)

    def forward(self, users: Tensor, candidates: Tensor, step: Step, score: Score) -> Tensor:
        """See :class:`Objective`."""
        assert step.negative_rows is not None
        positives, negatives = candidates[step.target_rows], candidates[step.negative_rows]
        return gbce_loss(users, positives, negatives, self.beta, step.taken, score)

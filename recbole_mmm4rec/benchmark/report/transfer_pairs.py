"""Pre-trained runs beside the same runs from scratch: what it takes to reach what scratch reaches."""

from dataclasses import dataclass

from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better
from recbole_mmm4rec.benchmark.report.run import Epoch, Run
from recbole_mmm4rec.benchmark.report.study import Study

_OF_TRANSFER = ("pretrained", "load_item_tables", "learning_rate", "epochs", "patience")


@dataclass(frozen=True)
class TransferPair:
    """Two runs of one dataset, seed and model.

    Attributes:
        scratch_best: epoch of the best validation of ``scratch``.
        reached: first epoch of ``pretrained`` that is as good; None where none is.
    """

    scratch: Run
    pretrained: Run
    scratch_best: Epoch
    reached: Epoch | None


def transfer_pairs(study: Study) -> dict[tuple[str, str], list[TransferPair]]:
    """Pairs by dataset and setting of the pre-trained run."""
    pairs: dict[tuple[str, str], list[TransferPair]] = {}
    for run in study.results:
        partner = _partner(study, run) if run.pretrain_key else None
        pair = _pair(partner, run) if partner else None
        if pair:
            pairs.setdefault((run.dataset, run.setting), []).append(pair)
    return pairs


def _partner(study: Study, run: Run) -> Run | None:
    """The run from scratch that differs from a pre-trained one by nothing but the transfer."""
    candidates = (
        other
        for other in study.results
        if (other.model, other.dataset, other.seed) == (run.model, run.dataset, run.seed)
        and not other.pretrain_key
        and other.setting not in study.shortened
    )
    return next((other for other in candidates if _same_but_transfer(other, run)), None)


def _same_but_transfer(first: Run, second: Run) -> bool:
    keys = {*first.changes, *second.changes} - {*_OF_TRANSFER}
    return all(first.changes.get(key) == second.changes.get(key) for key in keys)


def _pair(scratch: Run, pretrained: Run) -> TransferPair | None:
    metric = scratch.valid_metric
    best = next((e for e in scratch.curve if e.number == scratch.best_epoch and metric in e.valid), None)
    if best is None or not pretrained.curve:
        return None
    sign = -1 if smaller_is_better(metric) else 1
    goal = sign * best.valid[metric]
    reached = next(
        (e for e in pretrained.curve if metric in e.valid and sign * e.valid[metric] >= goal), None
    )
    return TransferPair(scratch, pretrained, best, reached)

"""The reference against every other setting: paired by user and by seed, corrected for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, product

import numpy as np

from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.benchmark.report.statistics import LEVEL, PairedTest, holm, paired_test
from recbole_mmm4rec.benchmark.report.users import UserFiles, match_users

NOT_SHOWN = "no difference shown"
_Pairs = tuple[int, np.ndarray, np.ndarray]
"""Number of seeds, and the paired values of the reference and the other setting, each (n,)."""


@dataclass(frozen=True)
class Contrast:
    """One comparison of the reference with another setting.

    Attributes:
        seeds: how many were averaged, or paired.
        t_test, wilcoxon: p-values of ``test`` after Holm's correction for every contrast of the same kind.
    """

    dataset: str
    metric: str
    other: str
    seeds: int
    test: PairedTest
    t_test: float | None
    wilcoxon: float | None

    @property
    def verdict(self) -> str:
        """What may be said of the reference."""
        if self.t_test is None or self.t_test >= LEVEL:
            return NOT_SHOWN
        gained = (self.test.difference > 0) != smaller_is_better(self.metric)
        return "better" if gained else "worse"


def user_contrasts(comparison: Comparison, users: UserFiles) -> list[Contrast]:
    """Paired by user, a user's metric averaged over the seeds that both settings have."""
    return _contrasts(comparison, lambda *case: _by_user(comparison, users, *case))


def seed_contrasts(comparison: Comparison) -> list[Contrast]:
    """Paired by seed, where both settings have at least two in common."""
    return _contrasts(comparison, lambda *case: _by_seed(comparison, *case))


def _contrasts(comparison: Comparison, pairs: Callable[[str, str, str], _Pairs | None]) -> list[Contrast]:
    found: list[tuple[str, str, str, int, PairedTest]] = []
    for case in product(comparison.datasets, comparison.metrics, comparison.others):
        paired = pairs(*case)
        test = paired_test(*paired[1:]) if paired else None
        if paired and test:
            found.append((*case, paired[0], test))
    t_tests = holm([case[-1].t_test for case in found])
    wilcoxons = holm([case[-1].wilcoxon for case in found])
    return [Contrast(*case, t, w) for case, t, w in zip(found, t_tests, wilcoxons, strict=True)]


def _by_user(
    comparison: Comparison, users: UserFiles, dataset: str, metric: str, other: str
) -> _Pairs | None:
    sides = [comparison.of(dataset, setting) for setting in (comparison.reference or "", other)]
    found = {run.key: users.scores(run, metric) for run in chain(*sides)}
    scores = {key: score for key, score in found.items() if score is not None}
    first, second = _common_seeds(*([run for run in runs if run.key in scores] for runs in sides))
    if not first or not second:
        return None
    matched = match_users([scores[run.key] for run in chain(first, second)])
    mine, theirs = np.split(matched, [len(first)])
    return len({run.seed for run in first}), mine.mean(axis=0), theirs.mean(axis=0)


def _by_seed(comparison: Comparison, dataset: str, metric: str, other: str) -> _Pairs | None:
    sides: list[dict[int | None, float]] = []
    mine, theirs = (comparison.of(dataset, setting) for setting in (comparison.reference or "", other))
    for runs in _common_seeds(mine, theirs):
        values: dict[int | None, list[float]] = {}
        for run in runs:
            if metric in run.test:
                values.setdefault(run.seed, []).append(run.test[metric])
        sides.append({seed: float(np.mean(numbers)) for seed, numbers in values.items()})
    shared = [seed for seed in sides[0] if seed in sides[1]]
    if len(shared) < 2:
        return None
    first, second = (np.array([side[seed] for seed in shared]) for side in sides)
    return len(shared), first, second


def _common_seeds(first: list[Run], second: list[Run]) -> tuple[list[Run], list[Run]]:
    """Those of two settings' runs with the seeds that both have, or all of them."""
    shared = {run.seed for run in first} & {run.seed for run in second}
    if not shared:
        return first, second
    return [run for run in first if run.seed in shared], [run for run in second if run.seed in shared]

"""Paired tests of the reference against every other setting, by user and by seed.

Every test has an effect size and an interval; p-values are corrected by Holm's method over all comparisons of
the same kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, product

import numpy as np
from scipy import stats

from recbole_mmm4rec.benchmark.report.comparison import Comparison
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.users import UserFiles, match_users

LEVEL = 0.05
FEWEST_RANKED = 6
"""With five pairs that all point the same way, Wilcoxon's p is 2 / 2^5 = 0.0625."""

ROUNDING = 1e-12
"""Means over seeds of the same numbers in another order differ by this at most."""

NOT_SHOWN = "no difference shown"
_Pairs = tuple[int, np.ndarray, np.ndarray]
"""Number of seeds, and the paired values of the reference and the other setting, each (n,)."""


@dataclass(frozen=True)
class PairedTest:
    """Differences of paired values, first minus second.

    Attributes:
        pairs: number of pairs.
        difference: mean difference.
        low, high: its 95 % interval by Student's t, not corrected for other comparisons.
        effect: Cohen's d of paired values, mean difference over standard deviation; None if all differences
            are equal.
        t_test: two-sided p of the paired t-test; None if all differences are the same number other than 0.
        wilcoxon: two-sided p of Wilcoxon's signed-rank test without the pairs that are equal; None if so few
            pairs are left that no outcome could be below 0.05, or if ``t_test`` is None.
    """

    pairs: int
    difference: float
    low: float
    high: float
    effect: float | None
    t_test: float | None
    wilcoxon: float | None


def paired_test(first: np.ndarray, second: np.ndarray) -> PairedTest | None:
    """Compare paired values (n,) float64; None for fewer than two pairs."""
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    pairs = len(differences)
    if pairs < 2:
        return None
    mean = float(differences.mean())
    if np.allclose(differences, mean, rtol=0, atol=ROUNDING):
        return _constant(mean, pairs)
    deviation = float(differences.std(ddof=1))
    half = float(stats.t.ppf(1 - LEVEL / 2, pairs - 1)) * deviation / pairs**0.5
    t_test = float(stats.ttest_1samp(differences, 0).pvalue)
    return PairedTest(pairs, mean, mean - half, mean + half, mean / deviation, t_test, _wilcoxon(differences))


def _wilcoxon(differences: np.ndarray) -> float | None:
    ranked = differences[np.abs(differences) > ROUNDING].round(12)  # so that ties stay ties
    return float(stats.wilcoxon(ranked).pvalue) if len(ranked) >= FEWEST_RANKED else None


def _constant(mean: float, pairs: int) -> PairedTest:
    """All pairs differ by the same number: p is 1 if that is 0, else t is undefined."""
    p = 1.0 if abs(mean) < ROUNDING else None
    return PairedTest(pairs, mean, mean, mean, None, p, p if pairs >= FEWEST_RANKED else None)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the given order; None stays None and does not count.

    The i-th smallest of m values is multiplied by m - i + 1, is never below the one before it, and is at
    most 1 (S. Holm, "A simple sequentially rejective multiple test procedure", 1979).
    """
    order = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for number, (value, place) in enumerate(order):
        highest = max(highest, min(1.0, value * (len(order) - number)))
        adjusted[place] = highest
    return adjusted


@dataclass(frozen=True)
class Contrast:
    """A comparison of the reference with one other setting.

    Attributes:
        seeds: number of seeds averaged, or paired.
        t_test, wilcoxon: p-values of ``test`` after Holm's correction over all contrasts of the same kind.
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
        """Whether the reference is better or worse, or no difference is shown."""
        if self.t_test is None or self.t_test >= LEVEL:
            return NOT_SHOWN
        gained = (self.test.difference > 0) != smaller_is_better(self.metric)
        return "better" if gained else "worse"


def user_contrasts(comparison: Comparison, users: UserFiles) -> list[Contrast]:
    """Paired by user; a user's metric is averaged over the seeds that both settings have."""
    return _contrasts(comparison, lambda *case: _by_user(comparison, users, *case))


def seed_contrasts(comparison: Comparison) -> list[Contrast]:
    """Paired by seed, where both settings have at least two seeds in common."""
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
    """The runs of two settings with the seeds that both have; all runs if they share none."""
    shared = {run.seed for run in first} & {run.seed for run in second}
    if not shared:
        return first, second
    return [run for run in first if run.seed in shared], [run for run in second if run.seed in shared]

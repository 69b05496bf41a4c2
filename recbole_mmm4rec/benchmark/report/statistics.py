"""Paired tests, their effect and interval, and Holm's correction."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy import stats

LEVEL = 0.05
FEWEST_RANKED = 6
"""Of five pairs that all point the same way, Wilcoxon's p is 2 / 2^5 = 0.0625."""


@dataclass(frozen=True)
class Summary:
    """Mean, deviation (of a sample, n - 1; None for one value) and number of values."""

    mean: float
    deviation: float | None
    count: int


@dataclass(frozen=True)
class PairedTest:
    """Differences of paired values, first minus second.

    Attributes:
        pairs: number of pairs.
        difference: mean difference.
        low, high: 95 % interval of it, by Student's t, not corrected for other comparisons.
        effect: Cohen's d of paired values, mean difference over its deviation; None without any deviation.
        t_test: two-sided p of the paired t-test; None where all differences are the same number but 0.
        wilcoxon: two-sided p of Wilcoxon's signed-rank test, pairs without difference left out; None where so
            few are left that no outcome would be below 0.05, and where all differences are one number but 0.
    """

    pairs: int
    difference: float
    low: float
    high: float
    effect: float | None
    t_test: float | None
    wilcoxon: float | None


def summarise(values: Sequence[float]) -> Summary | None:
    """Mean and deviation of values; None where there are none."""
    if not values:
        return None
    return Summary(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def paired_test(first: np.ndarray, second: np.ndarray) -> PairedTest | None:
    """Compare paired values (n,) float64; None below two pairs."""
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    pairs = len(differences)
    if pairs < 2:
        return None
    mean = float(differences.mean())
    if np.allclose(differences, mean, rtol=0, atol=1e-12):
        return _constant(mean, pairs)
    deviation = float(differences.std(ddof=1))
    half = float(stats.t.ppf(1 - LEVEL / 2, pairs - 1)) * deviation / pairs**0.5
    t_test = float(stats.ttest_1samp(differences, 0).pvalue)
    return PairedTest(pairs, mean, mean - half, mean + half, mean / deviation, t_test, _wilcoxon(differences))


def _wilcoxon(differences: np.ndarray) -> float | None:
    ranked = differences[differences != 0]
    return float(stats.wilcoxon(ranked).pvalue) if len(ranked) >= FEWEST_RANKED else None


def _constant(mean: float, pairs: int) -> PairedTest:
    """All pairs differ by the same number: no difference at all is p = 1, any other leaves t undefined."""
    p = 1.0 if abs(mean) < 1e-12 else None
    return PairedTest(pairs, mean, mean, mean, None, p, p if pairs >= FEWEST_RANKED else None)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the given order; None stays None and does not count.

    The i-th smallest of m values is multiplied by m - i + 1, never falls below the one before it, and is at
    most 1 (S. Holm, "A simple sequentially rejective multiple test procedure", 1979).
    """
    order = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for number, (value, place) in enumerate(order):
        highest = max(highest, min(1.0, value * (len(order) - number)))
        adjusted[place] = highest
    return adjusted

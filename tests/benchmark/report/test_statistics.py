"""Tests, intervals and corrections against numbers worked out by hand."""

import math

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.statistics import holm, paired_test, summarise


def test_mean_and_deviation_of_a_sample() -> None:
    found = summarise([1.0, 2.0, 6.0])
    assert found is not None
    assert (found.mean, found.count) == (3.0, 3)
    assert found.deviation == pytest.approx(math.sqrt(7))  # (4 + 1 + 9) / 2


def test_one_value_has_no_deviation_and_none_has_no_mean() -> None:
    one = summarise([0.5])
    assert one is not None
    assert one.deviation is None
    assert summarise([]) is None


def test_paired_test_by_hand() -> None:
    """Differences 1 to 4: t = sqrt(15) with 3 degrees of freedom, whose distribution has a closed form."""
    found = paired_test(np.array([2.0, 4.0, 6.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found is not None
    root = math.sqrt(5)  # t / sqrt(3)
    assert found.t_test == pytest.approx(1 - 2 / math.pi * (math.atan(root) + root / 6))
    half = 3.182446305 * math.sqrt(5 / 3) / 2
    assert (found.low, found.high) == pytest.approx((2.5 - half, 2.5 + half))
    assert found.effect == pytest.approx(2.5 / math.sqrt(5 / 3))
    assert (found.pairs, found.difference) == (4, 2.5)


def test_wilcoxon_by_counting() -> None:
    """The ranks 1..6 with 4 against: 7 of the 64 sign patterns sum to 4 or less, on either side."""
    found = paired_test(np.array([1.0, 2.0, 3.0, -4.0, 5.0, 6.0]), np.zeros(6))
    assert found is not None
    assert found.wilcoxon == pytest.approx(14 / 64)


def test_wilcoxon_needs_six_differences() -> None:
    found = paired_test(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0]), np.zeros(7))
    assert found is not None
    assert found.wilcoxon is None
    assert found.t_test is not None


def test_equal_values_show_no_difference() -> None:
    same = np.array([0.1, 0.2, 0.3])
    found = paired_test(same, same)
    assert found is not None
    assert (found.difference, found.t_test, found.wilcoxon, found.effect) == (0, 1, None, None)


def test_a_constant_difference_has_no_t() -> None:
    found = paired_test(np.array([0.3, 0.4, 0.5]), np.array([0.1, 0.2, 0.3]))
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert found.t_test is None


def test_one_pair_is_no_test() -> None:
    assert paired_test(np.array([1.0]), np.array([2.0])) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_keeps_gaps_and_stays_below_one() -> None:
    assert holm([0.7, None, 0.6]) == [1.0, None, 1.0]
    assert holm([None]) == [None]
    assert holm([]) == []
    assert holm([0.02]) == [0.02]

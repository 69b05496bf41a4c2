"""Paired tests by hand, and pairs: the same users and the same seeds on both sides."""

import math
from pathlib import Path

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.comparison import Comparison, summarise
from recbole_mmm4rec.benchmark.report.contrasts import holm, paired_test, seed_contrasts, user_contrasts
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.users import UserFiles
from tests.benchmark.report.folder import make_run


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


def with_users(folder: Path, label: str, seed: int, user: list[int], rank: list[int]) -> Run:
    run = make_run(label, seed, users=f"runs/{label}-{seed}/users.npz", test={"recall@10": 0.1})
    path = folder / str(run.users)
    path.parent.mkdir(parents=True)
    np.savez(path, user=np.array(user), rank=np.array(rank, dtype=np.int32))
    return run


def compare(runs: list[Run], metrics: tuple[str, ...] = ("recall@10",)) -> Comparison:
    labels = list(dict.fromkeys(run.setting for run in runs))
    return Comparison(runs, labels, dict.fromkeys(labels, ""), list(metrics), labels[0])


def test_users_are_matched_whatever_the_order_of_files(tmp_path: Path) -> None:
    """Hits of ours 1, 1, 1, 0 and of theirs 0, 0, 1, 0 for users 1, 2, 3, 4; user 5 is only in one file."""
    ours = with_users(tmp_path, "ours", 1, [1, 2, 3, 4], [0, 3, 9, 10])
    theirs = with_users(tmp_path, "theirs", 1, [5, 4, 3, 2, 1], [0, 99, 1, 50, 10])
    (contrast,) = user_contrasts(compare([ours, theirs]), UserFiles(tmp_path))
    test = contrast.test
    assert (test.pairs, test.difference) == (4, 0.5)
    assert test.t_test == pytest.approx(1 - 2 / math.pi * (math.atan(1) + 1 / 2))  # t = sqrt(3), 3 degrees
    assert contrast.verdict == "no difference shown"


def test_a_users_metric_is_averaged_over_rows_and_seeds(tmp_path: Path) -> None:
    runs = [
        with_users(tmp_path, "ours", 1, [1, 1, 2, 3], [0, 99, 0, 99]),  # 1/2, 1, 0
        with_users(tmp_path, "ours", 2, [3, 2, 1], [0, 0, 0]),  # 1, 1, 1
        with_users(tmp_path, "theirs", 1, [1, 2, 3], [99, 99, 99]),
        with_users(tmp_path, "theirs", 2, [1, 2, 3], [99, 0, 99]),  # user 2: 1/2
    ]
    (contrast,) = user_contrasts(compare(runs), UserFiles(tmp_path))
    assert contrast.test.difference == pytest.approx((0.75 + 0.5 + 0.5) / 3)
    assert contrast.seeds == 2


def test_a_seed_whose_file_is_gone_counts_on_neither_side(tmp_path: Path) -> None:
    runs = [
        with_users(tmp_path, "ours", 1, [1, 2], [0, 0]),
        with_users(tmp_path, "ours", 2, [1, 2], [0, 99]),
        with_users(tmp_path, "theirs", 1, [1, 2], [99, 99]),
        with_users(tmp_path, "theirs", 2, [1, 2], [99, 99]),
    ]
    (tmp_path / str(runs[2].users)).unlink()
    (contrast,) = user_contrasts(compare(runs), UserFiles(tmp_path))
    assert (contrast.seeds, contrast.test.difference) == (1, 0.5)


def test_only_common_seeds_are_compared(tmp_path: Path) -> None:
    runs = [
        with_users(tmp_path, "ours", 1, [1, 2], [0, 99]),
        with_users(tmp_path, "ours", 2, [1, 2], [0, 0]),
        with_users(tmp_path, "theirs", 1, [1, 2], [99, 99]),
    ]
    (contrast,) = user_contrasts(compare(runs), UserFiles(tmp_path))
    assert (contrast.seeds, contrast.test.difference) == (1, 0.5)


def test_runs_without_users_make_no_contrast(tmp_path: Path) -> None:
    ours = with_users(tmp_path, "ours", 1, [1, 2], [0, 99])
    gone = make_run("theirs", 1, users="runs/gone/users.npz", test={"recall@10": 0.2})
    assert user_contrasts(compare([ours, gone]), UserFiles(tmp_path)) == []
    assert user_contrasts(compare([ours, make_run("theirs", 1)]), UserFiles(tmp_path)) == []


def test_seeds_are_paired_by_their_number() -> None:
    values = {"ours": {1: 0.4, 2: 0.6, 3: 0.9}, "theirs": {2: 0.3, 1: 0.2, 4: 0.8}}
    runs = [
        make_run(label, seed, test={"recall@10": value})
        for label, by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    (contrast,) = seed_contrasts(compare(runs))
    assert (contrast.seeds, contrast.test.pairs) == (2, 2)
    assert contrast.test.difference == pytest.approx((0.2 + 0.3) / 2)


def test_one_seed_is_no_pair() -> None:
    runs = [make_run(label, 1, test={"recall@10": 0.1}) for label in ("ours", "theirs")]
    assert seed_contrasts(compare(runs)) == []


def test_correction_counts_every_comparison() -> None:
    """Two others on two metrics: the smallest of the four p-values is multiplied by 4."""
    runs = [
        make_run(label, seed, test={"recall@10": base * seed, "ndcg@10": base * seed**2})
        for label, base in (("ours", 0.2), ("a", 0.1), ("b", 0.05))
        for seed in (1, 2, 3)
    ]
    found = seed_contrasts(compare(runs, ("recall@10", "ndcg@10")))
    raw = sorted(contrast.test.t_test or 0 for contrast in found)
    assert len(raw) == 4
    assert min(contrast.t_test or 0 for contrast in found) == pytest.approx(min(1, 4 * raw[0]))


def test_rounding_is_no_difference_to_wilcoxon() -> None:
    values = np.random.default_rng(0).random((3, 40))
    first, second = values.mean(axis=0), values[[2, 0, 1]].mean(axis=0)
    assert (first != second).any()
    real = np.array([0.1, 0.2, 0.3, -0.1, 0.4, 0.5, 0.6, 0.7])
    first[:8] += real
    found, expected = paired_test(first, second), paired_test(np.r_[real, np.zeros(32)], np.zeros(40))
    assert found is not None
    assert expected is not None
    assert found.wilcoxon == expected.wilcoxon

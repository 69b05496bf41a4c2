"""Best, second and improvements, worked out by hand."""

import math

import pytest

from recbole_mmm4rec.benchmark.report.comparison import Comparison, best_validated, ranks
from tests.benchmark.report.folder import make_run


def compare(results: dict[str, list[float]], reference: str | None, metric: str = "ndcg@10") -> Comparison:
    runs = [
        make_run(label, 2020 + number, test={metric: value})
        for label, values in results.items()
        for number, value in enumerate(values)
    ]
    return Comparison(runs, list(results), dict.fromkeys(results, ""), [metric], reference)


def test_improvement_over_the_best_other() -> None:
    comparison = compare({"A": [0.08, 0.12], "B": [0.09, 0.09], "C": [0.11, 0.13]}, "C")
    assert comparison.best_other("shop", "ndcg@10") == "A"
    assert comparison.improvement("shop", "ndcg@10") == pytest.approx(0.2)  # 0.12 over 0.10


def test_a_loss_is_negative() -> None:
    comparison = compare({"A": [0.2], "B": [0.1]}, "B")
    assert comparison.improvement("shop", "ndcg@10") == pytest.approx(-0.5)


def test_of_an_error_less_is_more() -> None:
    comparison = compare({"A": [2.0], "B": [4.0], "C": [1.0]}, "C", "rmse")
    assert comparison.best_other("shop", "rmse") == "A"
    assert comparison.improvement("shop", "rmse") == pytest.approx(0.5)
    assert ranks(comparison.means("shop", "rmse"), "rmse") == {"C": 0, "A": 1}


def test_ties_as_printed_share_the_best_mark() -> None:
    assert ranks({"A": 0.12781, "B": 0.12779, "C": 0.1, "D": 0.05}, "ndcg@10") == {"A": 0, "B": 0, "C": 1}
    assert ranks({"A": 0.1}, "ndcg@10") == {}
    assert ranks({}, "ndcg@10") == {}


def test_values_that_are_not_finite_do_not_count() -> None:
    comparison = compare({"A": [0.1, math.nan], "B": [math.nan], "C": [math.inf, 0.3]}, "C")
    summary = comparison.summary("shop", "A", "ndcg@10")
    assert summary is not None
    assert (summary.mean, summary.count, summary.deviation) == (0.1, 1, None)
    assert comparison.summary("shop", "B", "ndcg@10") is None
    assert comparison.means("shop", "ndcg@10") == {"A": 0.1, "C": 0.3}


def test_nothing_to_improve_on() -> None:
    assert compare({"A": [0.1]}, None).improvement("shop", "ndcg@10") is None
    assert compare({"A": [0.0], "B": [0.1]}, "B").improvement("shop", "ndcg@10") is None


def test_the_reference_is_chosen_by_validation_not_by_test() -> None:
    runs = [
        make_run("A", valid={"ndcg@10": 0.3}, test={"ndcg@10": 0.1}),
        make_run("B", valid={"ndcg@10": 0.2}, test={"ndcg@10": 0.9}),
    ]
    assert best_validated(runs, ["A", "B"]) == "A"
    assert best_validated([make_run("A"), make_run("B")], ["B", "A"]) == "B"  # nothing was validated


def test_settings_that_chose_by_different_metrics_are_ranked_by_one() -> None:
    """Recall@50 is above NDCG@10 for every model."""
    good = make_run("good", valid={"ndcg@10": 0.2, "recall@50": 0.6}, config={"valid_metric": "NDCG@10"})
    poor = make_run("poor", valid={"ndcg@10": 0.1, "recall@50": 0.4}, config={"valid_metric": "Recall@50"})
    assert best_validated([good, poor], ["poor", "good"]) == "good"
    alone = make_run("alone", valid={"recall@5": 0.9}, config={"valid_metric": "Recall@5"})
    assert best_validated([good, alone], ["alone", "good"]) == "alone"  # nothing to compare by: the first

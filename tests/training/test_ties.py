"""Expected metrics against the mean over every order of the tied items, by RecBole's own metric classes."""

from itertools import permutations

import numpy as np
import pytest
import torch
from recbole.evaluator import Collector, Evaluator
from recbole.evaluator.register import metric_information

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training.collecting import RankCollector, RankEvaluator
from recbole_mmm4rec.training.ties import EXPECTED, TiedPlaces, expected_at
from tests.tiny import make_config

ALL = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"]
OUT = -np.inf


def collected(config, scores, right, collector=None):
    collector = collector or RankCollector(config)
    rows, items = torch.nonzero(right, as_tuple=True)
    collector.eval_batch_collect(scores.clone(), None, rows, items)
    return collector.get_data_struct()


def over_all_orders(config, scores, right):
    """RecBole's result for every order of the columns, with columns ordered inside each group of ties."""
    results = []
    for order in permutations(range(1, scores.shape[1])):
        columns = [0, *order]
        lists = torch.argsort(-scores[:, columns], dim=1, stable=True)
        falling = -torch.arange(scores.shape[1], dtype=scores.dtype).expand_as(lists)
        strict = torch.empty_like(scores).scatter_(1, lists, falling)
        strict[scores[:, columns] == OUT] = OUT
        struct = collected(config, strict, right[:, columns], Collector(config))
        results.append(Evaluator(config).evaluate(struct))
    return {name: np.mean([result[name] for result in results]) for name in results[0]}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [1, 3])
def test_the_value_is_the_mean_over_all_orders(folder, seed, most):
    config = make_config(folder, topk=[1, 2, 3, 4], metrics=ALL, metric_decimal_place=17)
    rng = np.random.default_rng(seed)
    scores = torch.from_numpy(rng.integers(0, 3, size=(9, 6)).astype(np.float64))
    scores[:, 0] = OUT
    right = torch.zeros(9, 6, dtype=torch.bool)
    for row in right:
        row[1 + rng.permutation(5)[: rng.integers(1, most + 1)]] = True
    result = RankEvaluator(config).evaluate(collected(config, scores, right))
    assert result == pytest.approx(over_all_orders(config, scores, right), abs=1e-12)


@pytest.mark.parametrize(("above", "tied"), [(0, 0), (0, 4), (3, 1), (2, 30), (9, 3), (0, 99)])
def test_one_target_has_the_mean_of_the_places_it_shares(above, tied):
    places = TiedPlaces.of_single(np.array([above]), np.array([tied]), 10)
    shared = np.arange(above, above + tied + 1)
    for k in (1, 5, 10):
        inside = shared < k
        expected = {
            "hit": inside.mean(),
            "recall": min(max(k - above, 0), tied + 1) / (tied + 1),
            "precision": inside.mean() / k,
            "mrr": (inside / (shared + 1)).mean(),
            "map": (inside / (shared + 1)).mean(),
            "ndcg": (inside / np.log2(shared + 2)).mean(),
        }
        found = dict(zip(expected, expected_at(places, [*expected], [k])[0, :, 0], strict=True))
        assert found == pytest.approx(expected, abs=1e-14)


def test_every_metric_that_recbole_reads_off_a_list_has_an_expectation():
    assert {name for name, needs in metric_information.items() if needs == ["rec.topk"]} == {*EXPECTED}


def test_without_ties_the_values_are_recboles_to_the_last_digit(folder):
    metrics = [*ALL, "GAUC", "ItemCoverage", "AveragePopularity", "ShannonEntropy"]
    config = make_config(folder, topk=[1, 7, 20], metrics=metrics, metric_decimal_place=17)
    scores, right = torch.randn(80, 101), torch.rand(80, 101) < 0.03
    scores[:, 0], scores[:, 60:], right[:, 0], right[:, 60:], right[:, 5] = OUT, OUT, False, False, True
    ours, theirs = RankCollector(config), Collector(config)
    for collector in (ours, theirs):
        collector.data_struct.set("data.num_items", 101)
        collector.data_struct.set("data.count_items", {item: item for item in range(101)})
    theirs.get_data_struct = lambda: theirs.data_struct  # RecBole's own moves numbers to the CPU, and fails
    expected, found = collected(config, scores, right, theirs), collected(config, scores, right, ours)
    assert torch.equal(found["rec.items"], expected["rec.items"])
    assert torch.equal(found["rec.topk"], expected["rec.topk"])
    assert RankEvaluator(config).evaluate(found) == Evaluator(config).evaluate(expected)


def test_item_numbers_do_not_matter(folder):
    config = make_config(folder, topk=[3, 10], metrics=ALL, metric_decimal_place=17)
    scores, right = torch.randint(0, 4, (50, 41)).double(), torch.zeros(50, 41, dtype=torch.bool)
    scores[:, 0] = OUT
    right[torch.arange(50), torch.randint(1, 41, (50,))] = True
    order = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + torch.randperm(40)])
    result = RankEvaluator(config).evaluate(collected(config, scores, right))
    turned = RankEvaluator(config).evaluate(collected(config, scores[:, order], right[:, order]))
    assert turned == pytest.approx(result, abs=1e-12)


def test_lists_break_ties_at_random_under_the_seed(folder):
    """Rows of 6 equal scores above 30 equal ones: all of the 6 are in front, any of the 30 follow."""
    config = make_config(folder, topk=[10], metrics=["ItemCoverage", "Recall"], seed=5)
    scores = torch.cat([torch.full((400, 1), OUT), torch.zeros(400, 30), torch.ones(400, 6)], dim=1)
    right = torch.zeros(400, 37, dtype=torch.bool)
    right[:, 3] = True
    items = collected(config, scores, right)["rec.items"]
    assert all(len(set(row)) == 10 for row in items.tolist())
    assert (items[:, :6] > 30).all()
    assert ((items[:, 6:] >= 1) & (items[:, 6:] <= 30)).all()
    assert torch.bincount(items[:, 0], minlength=37)[31:].min() > 40  # 67 each in the mean
    assert torch.bincount(items[:, 6:].flatten(), minlength=37)[1:31].min() > 25  # 53 each in the mean
    assert torch.equal(items, collected(config, scores, right)["rec.items"])
    config["seed"] = 6
    assert not torch.equal(items, collected(config, scores, right)["rec.items"])


def test_an_item_chosen_twice_is_one_right_item(folder):
    config = make_config(folder, topk=[3], metrics=ALL)
    scores = torch.tensor([[OUT, 1.0, 1.0, 0.0, 1.0, 0.0]] * 2)
    rows, items = torch.tensor([0, 0, 0, 1]), torch.tensor([2, 2, 5, 1])
    ours, theirs = RankCollector(config), Collector(config)
    for collector in (ours, theirs):
        collector.eval_batch_collect(scores.clone(), None, rows, items)
    ours, theirs = ours.get_data_struct(), theirs.get_data_struct()
    assert ours["rec.topk"][:, -1].tolist() == theirs["rec.topk"][:, -1].tolist() == [2, 1]
    assert RankEvaluator(config).evaluate(ours)["recall@3"] == 0.75


def test_two_evaluations_of_one_collector_are_equal(folder):
    config = make_config(folder, topk=[10], metrics=["ItemCoverage"])
    scores, right, collector = torch.zeros(5, 41), torch.ones(5, 41, dtype=torch.bool), RankCollector(config)
    first = collected(config, scores, right, collector)["rec.items"]
    assert torch.equal(first, collected(config, scores, right, collector)["rec.items"])


def test_what_is_no_candidate_is_no_hit(folder):
    """Three candidates, lists of five: the right item of row 0 is not among them."""
    config = make_config(folder, topk=[2, 5], metrics=ALL, metric_decimal_place=17)
    scores, right = torch.full((2, 9), OUT), torch.zeros(2, 9, dtype=torch.bool)
    scores[:, 2:5] = 1.0
    right[0, 7] = right[1, 4] = True
    struct = collected(config, scores, right)
    assert struct["rec.topk"][0, :5].sum() == 0
    result = RankEvaluator(config).evaluate(struct)
    assert result["recall@5"] == pytest.approx(0.5)
    assert result["recall@2"] == pytest.approx(0.5 * 2 / 3)


@pytest.mark.parametrize("metric", ["Recall", "GAUC"])
def test_scores_that_are_not_numbers_are_one_line(folder, metric):
    config = make_config(folder, metrics=[metric], valid_metric=metric if metric == "GAUC" else "Recall@10")
    scores = torch.zeros(2, 41)
    scores[1, 7] = np.nan
    with pytest.raises(UserError, match=r"\(NaN\); training has diverged"):
        collected(config, scores, torch.ones(2, 41, dtype=torch.bool))

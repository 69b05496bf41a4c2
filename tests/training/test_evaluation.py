from contextlib import contextmanager

import numpy as np
import pytest
import torch
from recbole.evaluator import Collector, Evaluator
from recbole.trainer import Trainer

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training.collecting import RankCollector, RankEvaluator, metric_input
from recbole_mmm4rec.training.evaluation import FullRanking, RankCounter, counting_suffices
from tests.tiny import OpaqueModel, TinyModel, make_config, make_run

ALL = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"]


def obvious_place(scores: torch.Tensor, target: int) -> list[int]:
    """Items above the target, and others level with it."""
    others = [score for item, score in enumerate(scores.tolist()) if item != target]
    own = scores[target].item()
    return [sum(score > own for score in others), sum(score == own for score in others)]


def obvious_places(scores: torch.Tensor, targets: torch.Tensor) -> list[list[int]]:
    return [obvious_place(row, target) for row, target in zip(scores, targets.tolist(), strict=True)]


@pytest.mark.parametrize("n_items", [1, 2, 7, 8, 2039, 2040, 2041, 5000])
def test_ranks_without_ties(n_items):
    scores = torch.rand(5, n_items, dtype=torch.float64)
    targets = torch.randint(n_items, (5,))
    assert RankCounter(n_items, n_items).of_scores(scores, targets).tolist() == obvious_places(
        scores, targets
    )


@pytest.mark.parametrize("value", [0.0, 1.0, float("inf")])
def test_equal_scores_are_level_whatever_the_item_number(value):
    places = RankCounter(9, 9).of_scores(torch.full((3, 9), value), torch.tensor([0, 4, 8]))
    assert places.tolist() == [[0, 8]] * 3


def test_a_target_that_is_no_candidate_comes_last():
    scores = torch.full((2, 9), float("-inf"))
    scores[1, 3] = 0.0
    assert RankCounter(9, 9).of_scores(scores, torch.tensor([4, 3])).tolist() == [[9, 0], [0, 0]]


def test_ties_are_counted_where_a_metric_looks():
    scores = torch.randint(0, 4, (200, 30)).float()
    targets = torch.randint(30, (200,))
    expected = np.array(obvious_places(scores, targets))
    places = RankCounter(30, 10).of_scores(scores, targets).numpy()
    assert (places[:, 0] == expected[:, 0]).all()
    near = expected[:, 0] < 10
    assert (places[near] == expected[near]).all()
    assert (places[~near, 1] == 0).all()


def test_what_is_left_out_is_no_candidate():
    scores, targets = torch.randint(0, 3, (40, 12)).float(), torch.randint(12, (40,))
    left_out = torch.rand(40, 12) < 0.4
    left_out[torch.arange(40), targets] = False
    without = [scores[row][~left_out[row]] for row in range(40)]
    moved = [int((~left_out[row, :target]).sum()) for row, target in enumerate(targets.tolist())]
    expected = [obvious_place(row, target) for row, target in zip(without, moved, strict=True)]
    out = torch.nonzero(left_out, as_tuple=True)
    assert RankCounter(12, 12).of_scores(scores, targets, out).tolist() == expected


def test_every_item_above_the_target_counts_once():
    """The worst case of the packed addition: every byte of every word is one."""
    n_items = 255 * 8 * 3 + 5
    scores = torch.ones(2, n_items)
    scores[:, 17] = 0.0
    counter = RankCounter(n_items, 5)
    assert counter.of_scores(scores, torch.tensor([17, 17]))[:, 0].tolist() == [n_items - 1] * 2


def test_buffers_of_a_longer_batch_serve_a_shorter_one():
    counter = RankCounter(50, 50)
    for rows in (6, 2, 6, 1):
        users, items, targets = torch.rand(rows, 3), torch.rand(3, 50), torch.randint(50, (rows,))
        assert counter.of_vectors(users, items, targets).tolist() == obvious_places(users @ items, targets)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8])
def test_items_with_one_vector_are_level_for_few_users_too(rows):
    for n_items in (3, 17, 49, 101, 1682):
        users, items = torch.randn(rows, 65), torch.randn(1, 65).expand(n_items, -1).contiguous().T
        places = RankCounter(n_items, n_items).of_vectors(users, items, torch.ones(rows, dtype=torch.int64))
        assert places.tolist() == [[0, n_items - 1]] * rows


def test_what_is_added_to_products_counts():
    users, items, more = torch.rand(9, 3), torch.rand(3, 50), 5 * torch.rand(9, 50)
    targets = torch.randint(50, (9,))
    found = RankCounter(50, 50).of_vectors(users, items, targets, more=more)
    assert found.tolist() == obvious_places(users @ items + more, targets)


def test_scores_that_are_not_numbers_are_no_hit():
    with pytest.raises(UserError, match="diverged"):
        RankCounter(4, 4).of_scores(torch.full((1, 4), float("nan")), torch.tensor([1]))


@pytest.mark.parametrize("model", [TinyModel, OpaqueModel])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_item_whose_vector_is_not_a_number_is_one_line(folder, model, value):
    """No row has it as its target."""
    trainer, _, valid, _ = make_run(make_config(folder, model))
    targets = set(valid.dataset.inter_feat[valid.dataset.iid_field].tolist())
    item = next(item for item in range(1, trainer.model.n_items) if item not in targets)
    with torch.no_grad():
        trainer.model.items.weight[item] = value
    with pytest.raises(UserError, match="diverged"):
        trainer.evaluate(valid, load_best_model=False)


def test_values_are_those_of_recboles_collector_and_evaluator(folder):
    config = make_config(folder, topk=[1, 2, 5, 10, 20, 50], metric_decimal_place=17)
    scores, targets = torch.randn(300, 101), torch.randint(1, 101, (300,))
    scores[:, 0] = -np.inf
    collector = Collector(config)
    collector.eval_batch_collect(scores, None, torch.arange(300), targets)
    expected = Evaluator(config).evaluate(collector.get_data_struct())
    above, tied = RankCounter(100, 50).of_scores(scores[:, 1:], targets - 1).unbind(1)
    assert RankEvaluator(config).of_ranks(above, tied) == expected


def test_counting_gives_what_the_collector_gives_with_ties(folder):
    """Two ways to the same values, to the last digit; a third of the rows have no hit."""
    config = make_config(folder, topk=[1, 2, 5, 10, 20], metrics=ALL, metric_decimal_place=17)
    scores, targets = torch.randint(0, 40, (300, 101)).float(), torch.randint(1, 101, (300,))
    scores[:, 0] = -np.inf
    collector = RankCollector(config)
    for batch in torch.arange(300).split(128):
        rows = torch.arange(len(batch))
        collector.eval_batch_collect(scores[batch], None, rows, targets[batch])
    above, tied = RankCounter(100, 20).of_scores(scores[:, 1:], targets - 1).unbind(1)
    assert (tied > 0).sum() > 30
    assert RankEvaluator(config).of_ranks(above, tied) == RankEvaluator(config).evaluate(
        collector.get_data_struct()
    )


@pytest.mark.parametrize("ranks", [[60, 50, 99], [0], [49, 50], [0] * 7])
def test_few_and_no_hits(folder, ranks):
    """Against the obvious twin: every row goes through RecBole's metrics, hit or not."""
    config = make_config(folder, topk=[1, 50], metric_decimal_place=17)
    expected = Evaluator(config).evaluate(metric_input(torch.tensor(ranks), 50))
    assert RankEvaluator(config).of_ranks(torch.tensor(ranks), torch.zeros(len(ranks)).long()) == expected


@pytest.mark.parametrize("mode", ["full", "uni10"])
def test_the_item_table_is_shared_during_an_evaluation(folder, mode):
    trainer, _, valid, _ = make_run(make_config(folder, mode=mode))
    events = []

    @contextmanager
    def shared(histories):
        assert histories == len(valid.dataset)
        events.append("begin")
        yield
        events.append("end")

    trainer.model.shared_item_table = shared
    vectors = trainer.model.user_vectors
    trainer.model.user_vectors = lambda batch: events.append("batch") or vectors(batch)
    trainer.evaluate(valid, load_best_model=False)
    assert events == ["begin", *["batch"] * len(valid), "end"]


@pytest.mark.parametrize("model", [TinyModel, OpaqueModel])
@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_trainer_gives_recboles_result(folder, model, chunk):
    config = make_config(folder, model, eval_chunk_size=chunk, metric_decimal_place=17)
    trainer, _, valid, _ = make_run(config)
    result = trainer.evaluate(valid, load_best_model=False)
    ranks = trainer.last_ranks
    assert not trainer.last_ties.any()
    assert result == Trainer.evaluate(trainer, valid, load_best_model=False)
    assert ranks.shape == (len(valid.dataset),)
    hits = (ranks < 3).mean()
    assert result["hit@3"] == pytest.approx(hits, abs=1e-12)


def test_item_matrix_is_built_once_an_evaluation(folder, monkeypatch):
    trainer, _, valid, _ = make_run(make_config(folder))
    calls = []
    monkeypatch.setattr(TinyModel, "item_matrix", lambda self: calls.append(1) or self.items.weight)
    trainer.evaluate(valid, load_best_model=False)
    assert len(valid) > 1
    assert len(calls) == 1


@pytest.mark.parametrize("values", [{"mode": "uni10"}, {"metrics": ["Recall", "ItemCoverage", "GiniIndex"]}])
def test_other_protocols_go_recboles_way(folder, values):
    trainer, train, valid, _ = make_run(make_config(folder, **values))
    trainer.eval_collector.data_collect(train)
    assert not counting_suffices(trainer.config["metrics"], valid, trainer.model)
    state = np.random.get_state()
    result = trainer.evaluate(valid, load_best_model=False)
    np.random.set_state(state)
    assert trainer.last_ranks is None
    assert trainer.last_ties is None
    assert result == Trainer.evaluate(trainer, valid, load_best_model=False)


def test_counting_needs_one_positive_a_row_and_all_scores(folder):
    trainer, train, valid, _ = make_run(make_config(folder))
    assert counting_suffices(ALL, valid, trainer.model)
    assert not counting_suffices(ALL, train, trainer.model)
    assert not counting_suffices([*ALL, "AveragePopularity"], valid, trainer.model)


def test_memory_is_a_chunk_not_a_batch(folder, monkeypatch):
    widths = []
    whole = RankCounter.of_scores
    monkeypatch.setattr(
        RankCounter, "of_scores", lambda self, s, t, out: widths.append(s.numel()) or whole(self, s, t, out)
    )
    for model in (TinyModel, OpaqueModel):
        trainer, _, valid, _ = make_run(make_config(folder, model, eval_chunk_size=4))
        trainer.evaluate(valid, load_best_model=False)
    assert max(widths) <= 4 * trainer.model.n_items


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_an_item_table_with_equal_rows_has_expected_values(folder, chunk):
    """Half of the items share one vector, as items without a picture do; RecBole's path is the twin."""
    config = make_config(folder, eval_chunk_size=chunk, metric_decimal_place=17)
    trainer, _, valid, _ = make_run(config)
    with torch.no_grad():
        trainer.model.items.weight[20:] = trainer.model.items.weight[20]
    result = trainer.evaluate(valid, load_best_model=False)
    assert (trainer.last_ties > 0).any()
    assert result == pytest.approx(Trainer.evaluate(trainer, valid, load_best_model=False), abs=1e-14)
    ties, orders = torch.from_numpy(trainer.last_ties), []
    for seed in range(60):
        torch.manual_seed(seed)
        ranks = torch.from_numpy(trainer.last_ranks) + (torch.rand(len(ties)) * (ties + 1)).long()
        orders.append(Evaluator(config).evaluate(metric_input(ranks, 10))["ndcg@10"])
    assert result["ndcg@10"] == pytest.approx(np.mean(orders), abs=0.02)


@torch.no_grad()
def test_chunks_of_what_is_left_out_are_those_of_the_whole(folder):
    trainer, _, valid, _ = make_run(make_config(folder))
    batch, _, _, targets = next(iter(valid))
    out = torch.rand(len(targets), 41) < 0.3
    out[:, 0] = False
    out[torch.arange(len(targets)), targets] = False
    seen = torch.nonzero(out, as_tuple=True)
    places = [FullRanking(trainer.model, 41, 10, chunk).places(batch, targets, seen) for chunk in (1, 3, 999)]
    assert torch.equal(places[0], places[2])
    assert torch.equal(places[1], places[2])
    scores = trainer.model.full_sort_predict(batch)[:, 1:]
    assert torch.equal(places[2], RankCounter(40, 10).of_scores(scores, targets - 1, (seen[0], seen[1] - 1)))

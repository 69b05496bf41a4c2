from contextlib import contextmanager

import numpy as np
import pytest
import torch
from recbole.evaluator import Collector, Evaluator
from recbole.trainer import Trainer

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training.evaluation import RankCounter, RankEvaluator, counting_suffices, metric_input
from tests.tiny import OpaqueModel, TinyModel, make_config, make_run

ALL = ["Recall", "MRR", "NDCG", "Hit", "Precision", "MAP"]


def obvious_rank(scores: torch.Tensor, target: int) -> int:
    order = sorted(range(len(scores)), key=lambda item: (-scores[item].item(), item))
    return order.index(target)


@pytest.mark.parametrize("n_items", [1, 2, 7, 8, 2039, 2040, 2041, 5000])
def test_ranks_without_ties(n_items):
    scores = torch.rand(5, n_items, dtype=torch.float64)
    targets = torch.randint(n_items, (5,))
    ranks = RankCounter(n_items, n_items).of_scores(scores, targets)
    assert ranks.tolist() == [obvious_rank(row, t) for row, t in zip(scores, targets.tolist(), strict=True)]


@pytest.mark.parametrize("value", [0.0, 1.0, float("inf"), float("-inf")])
def test_all_scores_equal_rank_by_item_number(value):
    ranks = RankCounter(9, 9).of_scores(torch.full((3, 9), value), torch.tensor([0, 4, 8]))
    assert ranks.tolist() == [0, 4, 8]


def test_ties_break_by_item_number_where_a_metric_looks():
    scores = torch.randint(0, 4, (200, 30)).float()
    targets = torch.randint(30, (200,))
    expected = np.array([obvious_rank(row, t) for row, t in zip(scores, targets.tolist(), strict=True)])
    ranks = RankCounter(30, 10).of_scores(scores, targets).numpy()
    near = (expected < 10) | (ranks < 10)
    assert (ranks[near] == expected[near]).all()
    assert (ranks[~near] <= expected[~near]).all()


def test_every_item_above_the_target_counts_once():
    """The worst case of the packed addition: every byte of every word is one."""
    n_items = 255 * 8 * 3 + 5
    scores = torch.ones(2, n_items)
    scores[:, 17] = 0.0
    assert RankCounter(n_items, 5).of_scores(scores, torch.tensor([17, 17])).tolist() == [n_items - 1] * 2


def test_buffers_of_a_longer_batch_serve_a_shorter_one():
    counter = RankCounter(50, 50)
    for rows in (6, 2, 6, 1):
        users, items, targets = torch.rand(rows, 3), torch.rand(3, 50), torch.randint(50, (rows,))
        expected = [obvious_rank(r, t) for r, t in zip(users @ items, targets.tolist(), strict=True)]
        assert counter.of_vectors(users, items, targets).tolist() == expected


def test_scores_that_are_not_numbers_are_no_hit():
    with pytest.raises(UserError, match="diverged"):
        RankCounter(4, 4).of_scores(torch.full((1, 4), float("nan")), torch.tensor([1]))


def test_values_are_those_of_recboles_collector_and_evaluator(folder):
    config = make_config(folder, topk=[1, 2, 5, 10, 20, 50], metric_decimal_place=17)
    scores, targets = torch.randn(300, 101), torch.randint(1, 101, (300,))
    scores[:, 0] = -np.inf
    collector = Collector(config)
    collector.eval_batch_collect(scores, None, torch.arange(300), targets)
    expected = Evaluator(config).evaluate(collector.get_data_struct())
    ranks = RankCounter(100, 50).of_scores(scores[:, 1:], targets - 1)
    assert RankEvaluator(config)(ranks) == expected


@pytest.mark.parametrize("ranks", [[60, 50, 99], [0], [49, 50], [0] * 7])
def test_few_and_no_hits(folder, ranks):
    """Against the obvious twin: every row goes through RecBole's metrics, hit or not."""
    config = make_config(folder, topk=[1, 50], metric_decimal_place=17)
    expected = Evaluator(config).evaluate(metric_input(torch.tensor(ranks), 50))
    assert RankEvaluator(config)(torch.tensor(ranks)) == expected


@pytest.mark.parametrize("mode", ["full", "uni10"])
def test_the_item_table_is_shared_during_an_evaluation(folder, mode):
    trainer, _, valid, _ = make_run(make_config(folder, mode=mode))
    events = []

    @contextmanager
    def shared():
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
        RankCounter, "of_scores", lambda self, s, t: widths.append(s.numel()) or whole(self, s, t)
    )
    for model in (TinyModel, OpaqueModel):
        trainer, _, valid, _ = make_run(make_config(folder, model, eval_chunk_size=4))
        trainer.evaluate(valid, load_best_model=False)
    assert max(widths) <= 4 * trainer.model.n_items

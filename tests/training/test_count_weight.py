"""The weight of counts that validation chooses: against a validation with each, and what else it touches."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from recbole_mmm4rec.files import working_in
from recbole_mmm4rec.model.remembered import AUTO
from recbole_mmm4rec.nn.co_occurrence import UNCHOSEN, CoOccurrence
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.training import count_weight
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from recbole_mmm4rec.training.count_weight import CHOICES, choose_weight
from tests.forked import in_processes
from tests.recommend.trained import home, trained
from tests.tiny import OpaqueModel, assert_equal, make_config, make_run, weights, write_dataset

NOISY = {"drop": 0.3, "noise": 0.1}
WEIGHT, SEEN = "co_occurrence.weight", "co_occurrence.seen"


class Counting(OpaqueModel):
    """The tiny model with counts of how often an item is the target after another."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        weight = config["co_occurrence"]
        self.co_occurrence = CoOccurrence(self.n_items, None if weight == AUTO else weight)
        rows = dataset.inter_feat
        last = rows[self.ITEM_SEQ].gather(1, rows[self.ITEM_SEQ_LEN].unsqueeze(1) - 1).squeeze(1)
        pairs = torch.stack([last, rows[self.POS_ITEM_ID]], dim=1)
        self.co_occurrence.count(pairs.flatten().numpy(), np.arange(len(pairs)).repeat(2))

    def uncounted_scores(self, interaction: Any) -> Tensor:
        return self.user_vectors(interaction) @ self.items.weight.T

    def full_sort_predict(self, interaction: Any) -> Tensor:
        counted = self.co_occurrence(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])
        return self.uncounted_scores(interaction) + counted

    def calculate_loss(self, interaction: Any) -> Tensor:
        logits = self.uncounted_scores(interaction)
        return torch.nn.functional.cross_entropy(logits, interaction[self.POS_ITEM_ID])


@pytest.fixture
def folder(in_tmp: Path) -> Path:
    write_dataset(in_tmp)
    return in_tmp


def counting_run(folder: Path, weight: Any = AUTO, **values: Any) -> Any:
    return make_run(make_config(folder, Counting, co_occurrence=weight, **NOISY | values))


def choice_of(model: Any) -> tuple[float, float]:
    return float(model.co_occurrence.seen), float(model.co_occurrence.weight)


def give(model: Any, choice: tuple[float, float]) -> None:
    model.co_occurrence.seen.fill_(choice[0])
    model.co_occurrence.weight.fill_(choice[1])


def by_hand(trainer: Any, loader: Any, metric: str) -> dict[tuple[float, float], float]:
    """Choice -> what the trainer's own evaluation says with it."""
    found, before = {}, choice_of(trainer.model)
    for choice in CHOICES:
        give(trainer.model, choice)
        found[choice] = trainer.evaluate(loader, load_best_model=False)[metric]
    give(trainer.model, before)
    return found


@pytest.mark.parametrize("metric", ["ndcg@10", "recall@3", "mrr@10", "map@3"])
@pytest.mark.parametrize("chunk", [5, 1000])
def test_it_is_the_one_that_evaluates_best(folder: Path, metric: str, chunk: int) -> None:
    trainer, train, valid, _ = counting_run(folder)
    trainer.fit(train, valid)
    values = by_hand(trainer, valid, metric)
    assert len(set(values.values())) > 3
    choice = choose_weight(trainer.model, valid, metric, chunk)
    assert choice_of(trainer.model) == choice == max(CHOICES, key=values.__getitem__)


@pytest.mark.parametrize("rank_seen", [True, False])
@pytest.mark.parametrize("model", ["MMM4Rec", "SASRecT"])
def test_models_of_ours_with_seen_items_and_without(model: str, rank_seen: bool) -> None:
    _, trainer, loader = trained(model, (("co_occurrence", AUTO), ("rank_seen", rank_seen)))
    with working_in(home()):
        values = by_hand(trainer, loader, "recall@5")
    before = choice_of(trainer.model)
    assert choose_weight(trainer.model, loader, "recall@5", 7) == max(CHOICES, key=values.__getitem__)
    give(trainer.model, before)


def test_of_equally_good_ones_the_first_is_taken(folder: Path) -> None:
    trainer, _, valid, _ = counting_run(folder)
    trainer.model.co_occurrence.values.zero_()
    assert choose_weight(trainer.model, valid, "ndcg@10", None) == CHOICES[0] == (0.0, UNCHOSEN)


def test_of_many_rows_batches_all_over_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_weight, "MOST_ROWS", 30)  # of 61: every second batch of 16
    trainer, _, valid, _ = counting_run(folder)
    seen = []
    real = Counting.uncounted_scores
    monkeypatch.setattr(
        Counting, "uncounted_scores", lambda self, rows: seen.append(rows) or real(self, rows)
    )
    choose_weight(trainer.model, valid, "ndcg@10", None)
    batches = [batch["item_id_list"] for batch, *_ in valid]
    assert_equal([batch["item_id_list"] for batch in seen], batches[::2])


@pytest.mark.parametrize("keys", [{}, {"ema_decay": 0.9}, {"eval_interval_steps": 2}])
def test_training_is_the_same_with_it_and_without_bit_for_bit(folder: Path, keys: dict[str, Any]) -> None:
    states = []
    for weight in (AUTO, 7.0):
        trainer, train, valid, _ = counting_run(folder, weight, **keys)
        trainer.fit(train, valid)
        state = weights(trainer)
        assert (WEIGHT in state) == (weight == AUTO)
        for name in (WEIGHT, SEEN):
            state.pop(name, None)
        states.append((state, trainer.record.losses, trainer.optimizer.state_dict()))
    assert_equal(*states)


def saved_choice(trainer: Any) -> tuple[float, float]:
    state = read_checkpoint(trainer.saved_model_file).state_dict
    return float(state[SEEN]), float(state[WEIGHT])


def test_the_best_epoch_keeps_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs choose 20, 80 and 10, all with points for seen items, and the second validates best."""
    wanted, found = iter([20.0, 80.0, 10.0]), []

    def choose(model: Any, *_: Any) -> tuple[float, float]:
        found.append(next(wanted))
        give(model, (1.0, found[-1]))
        return 1.0, found[-1]

    monkeypatch.setattr("recbole_mmm4rec.training.trainer.choose_weight", choose)
    trainer, train, valid, test = counting_run(folder)
    scores = {20.0: 0.2, 80.0: 0.5, 10.0: 0.1}
    real = type(trainer).evaluate

    def evaluate(self: Any, *args: Any, **kwargs: Any) -> Any:
        return real(self, *args, **kwargs) | {"ndcg@10": scores[float(self.model.co_occurrence.weight)]}

    monkeypatch.setattr(type(trainer), "evaluate", evaluate)
    assert trainer.fit(train, valid)[0] == 0.5
    assert found == [20.0, 80.0, 10.0]
    assert saved_choice(trainer) == (1.0, 80.0)
    assert trainer.evaluate(test)["ndcg@10"] == 0.5


def test_a_resumed_run_chooses_the_same(folder: Path) -> None:
    whole, train, valid, test = counting_run(folder, epochs=4)
    best, tested = whole.fit(train, valid), whole.evaluate(test)
    half, train, valid, _ = counting_run(folder, epochs=2)
    half.fit(train, valid)
    rest, train, valid, test = counting_run(folder, epochs=4)
    rest.resume_checkpoint(half.last_file)
    assert (rest.fit(train, valid), rest.evaluate(test)) == (best, tested)
    assert_equal(weights(rest), weights(whole))


NOTHING: dict[str, Any] = {}


@pytest.mark.parametrize("keys", [{"mode": "uni5"}, {"eval_step": 0}, NOTHING], ids=str)
def test_without_a_validation_that_can_choose_it_stays_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture, keys: dict[str, Any]
) -> None:
    trainer, train, valid, _ = counting_run(folder, **keys)
    with caplog.at_level(logging.WARNING):
        trainer.fit(train, None if keys == NOTHING else valid)
    said = [line for line in caplog.messages if line.startswith("co_occurrence: auto needs a validation")]
    assert len(said) == 1
    assert said[0].endswith("it is 80")
    assert choice_of(trainer.model) == (0.0, UNCHOSEN)


def test_a_weight_that_is_given_stays(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer, train, valid, _ = counting_run(folder, 7.0)
    with caplog.at_level(logging.INFO):
        trainer.fit(train, valid)
    assert choice_of(trainer.model) == (0.0, 7.0)
    assert not [line for line in caplog.messages if line.startswith("co_occurrence: ")]


def test_a_run_without_an_epoch_chooses_too(folder: Path) -> None:
    trainer, train, valid, _ = counting_run(folder, epochs=0)
    values = by_hand(trainer, valid, "ndcg@10")
    trainer.fit(train, valid)
    best = max(CHOICES, key=values.__getitem__)
    assert best != (0.0, UNCHOSEN)
    assert saved_choice(trainer) == best


def test_a_checkpoint_ranks_with_the_weight_that_was_chosen() -> None:
    path, trainer, _ = trained("MMM4Rec", (("co_occurrence", AUTO),))
    before = choice_of(trainer.model)
    assert choice_of(load(path, "cpu").scorer.model) == before


def choose_in_two(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    os.chdir(folder)
    config = make_config(folder, Counting, co_occurrence=AUTO)
    config["single_spec"], config["world_size"], config["local_rank"] = False, 2, rank
    trainer, _, valid, _ = make_run(config)
    weight = choose_weight(trainer.model, valid, "mrr@3", None)
    torch.save(weight, folder / f"weight{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_choose_as_one_does(folder: Path) -> None:
    """Each sees half of the rows; the second alone would choose 40, not 80."""
    trainer, _, valid, _ = make_run(make_config(folder, Counting, co_occurrence=AUTO))
    expected = choose_weight(trainer.model, valid, "mrr@3", None)
    in_processes(choose_in_two, folder)
    assert [torch.load(folder / f"weight{rank}.pt") for rank in range(2)] == [expected] * 2

"""One rule about seen items for all models: the loaders' pairs, values of every path, where it is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole import data as recbole_data
from recbole.model.general_recommender import BPR
from recbole.trainer import Trainer
from recbole.utils import init_seed

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.host.mended_models import Pop
from recbole_mmm4rec.host.seen_items import ranking_rule
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.training_run import build_trainer
from tests.tiny import OpaqueModel, TinyModel, make_config

SHOPPERS, GOODS = 40, 15


class Popularity(TinyModel):
    """A sequential model with Pop's scores: what both rank differs only by the rule about seen items."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.register_buffer("counts", torch.zeros(self.n_items))

    def item_matrix(self) -> None:
        return None

    def full_sort_predict(self, interaction: Any) -> torch.Tensor:
        return self.counts.expand(len(interaction), -1).clone()


@pytest.fixture
def shop(in_tmp: Path) -> Path:
    """Users who come back to items: some last items are repeats; histories are longer than models read."""
    rng = np.random.default_rng(3)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(SHOPPERS):
        for step, item in enumerate(rng.integers(GOODS, size=rng.integers(4, 13))):
            lines.append(f"u{user}\ti{item}\t{1000 * user + step}")
    (in_tmp / "atomic_data" / "shop").mkdir(parents=True)
    (in_tmp / "atomic_data" / "shop" / "shop.inter").write_text("\n".join(lines) + "\n")
    return in_tmp / "atomic_data"


def by_hand(shop: Path, phase: int) -> dict[str, set[str]]:
    """User -> the items before the target, without it; phase -1 is the test, -2 validation."""
    histories: dict[str, list[str]] = {}
    for line in (shop / "shop" / "shop.inter").read_text().splitlines()[1:]:
        user, item, _ = line.split("\t")
        histories.setdefault(user, []).append(item)
    return {user: {*items[:phase]} - {items[phase]} for user, items in histories.items()}


def prepared(shop: Path, model: type, own: bool = True, **values: Any) -> tuple[Any, tuple[Any, ...]]:
    """Trainer and loaders, on this package's datasets or on RecBole's."""
    values = {"MAX_ITEM_LIST_LENGTH": 3, "topk": [1, 3, 10], "eval_chunk_size": 7} | values
    config = make_config(shop, model, "shop", metric_decimal_place=15, **values)
    init_seed(1, True)
    loaders = prepare_loaders(config, (create_dataset if own else recbole_data.create_dataset)(config))
    return build_trainer(config, model(config, loaders[0].dataset)), loaders


def left_out(loader: Any) -> dict[str, set[str]]:
    dataset, found = loader._dataset, {}
    for batch, seen, rows, _ in loader:
        users = dataset.field2id_token["user_id"][batch["user_id"].numpy()]
        assert rows.tolist() == [*range(len(users))]
        assert (seen[0].diff() >= 0).all()
        found |= {user: set() for user in users}
        for row, item in zip(seen[0].tolist(), seen[1].tolist(), strict=True):
            found[users[row]].add(dataset.field2id_token["item_id"][item])
    return found


@pytest.mark.parametrize(("loader", "phase"), [(1, -2), (2, -1)])
@pytest.mark.parametrize("model", [TinyModel, BPR])
def test_everything_before_the_target_is_left_out_and_the_target_is_not(
    model: type, loader: int, phase: int, shop: Path
) -> None:
    """However little of the history a model reads, and where the target is a repeat."""
    _, loaders = prepared(shop, model, rank_seen=False)
    expected = by_hand(shop, phase)
    assert any(len(items) > 3 for items in expected.values())
    assert left_out(loaders[loader]) == expected


@pytest.mark.parametrize("model", [TinyModel, BPR])
@pytest.mark.parametrize("rank_seen", [True, None])
def test_nothing_is_left_out_unless_wanted(model: type, rank_seen: bool | None, shop: Path) -> None:
    """Without the key RecBole's rule holds."""
    _, loaders = prepared(shop, model, rank_seen=rank_seen)
    without = [seen is None for loader in loaders[1:] for _, seen, _, _ in loader]
    assert all(without) == (rank_seen is True or model is TinyModel)


@pytest.mark.parametrize("rank_seen", [True, False])
def test_a_sequential_model_and_a_general_one_with_equal_scores_have_equal_results(
    rank_seen: bool, shop: Path
) -> None:
    trainer, loaders = prepared(shop, Pop, rank_seen=rank_seen)
    other, others = prepared(shop, Popularity, rank_seen=rank_seen)
    tokens, numbers = (one[0]._dataset.field2token_id["item_id"] for one in (others, loaders))
    for token, number in tokens.items():
        other.model.counts[number] = trainer.model.item_cnt[numbers[token], 0]
    for one, twin in zip(loaders[1:], others[1:], strict=True):
        result = trainer.evaluate(one, load_best_model=False)
        assert other.evaluate(twin, load_best_model=False) == pytest.approx(result, abs=1e-12)


def test_the_rule_matters(shop: Path) -> None:
    results = []
    for rank_seen in (True, False):
        trainer, loaders = prepared(shop, TinyModel, rank_seen=rank_seen)
        results.append(trainer.evaluate(loaders[2], load_best_model=False)["recall@10"])
    assert results[0] < results[1]


@pytest.mark.parametrize("model", [TinyModel, OpaqueModel])
@pytest.mark.parametrize("own", [True, False])
def test_counting_gives_the_values_of_the_plain_path(model: type, own: bool, shop: Path) -> None:
    trainer, loaders = prepared(shop, model, own, rank_seen=False, MAX_ITEM_LIST_LENGTH=20)
    result = trainer.evaluate(loaders[2], load_best_model=False)
    assert trainer.last_ranks is not None
    assert result == Trainer.evaluate(trainer, loaders[2], load_best_model=False)
    assert left_out(loaders[2]) == by_hand(shop, -1)


def test_histories_cut_by_recboles_own_dataset_are_refused(shop: Path) -> None:
    with pytest.raises(UserError, match=r"rank_seen: TinyModel .* set MAX_ITEM_LIST_LENGTH above"):
        prepared(shop, TinyModel, own=False, rank_seen=False)


def test_two_keys_that_contradict_each_other_are_refused(shop: Path) -> None:
    with pytest.raises(UserError, match=r"rank_seen: False .* repeatable: True"):
        RunConfig("BPR", "shop", config_dict={"rank_seen": False, "repeatable": True})
    assert RunConfig("SASRec", "shop", config_dict={"rank_seen": False})["rank_seen"] is False
    assert RunConfig("BPR", "shop")["rank_seen"] is True


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rank_seen": True}, "seen ones included (rank_seen: True)"),
        ({"rank_seen": False}, "those seen before left out, but not the target (rank_seen: False)"),
        ({}, "left out for models of single interactions only"),
        ({"eval_args": {"mode": {"valid": "full", "test": "uni100"}}}, "sampled candidates (uni100)"),
        ({"eval_args": {"mode": "labeled"}}, "no ranking"),
    ],
)
def test_the_rule_in_words(settings: dict[str, Any], words: str) -> None:
    assert words in ranking_rule({"eval_args": {"mode": {"valid": "full", "test": "full"}}} | settings)


@pytest.mark.parametrize("model", ["BPR", "GRU4Rec"])
def test_a_run_says_what_it_ranks(model: str, shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        settings = {"epochs": 1, "topk": [5], "valid_metric": "NDCG@5", "rank_seen": False}
        run(model, "shop", config_dict=settings)
    lines = [record.getMessage() for record in caplog.records if "ranking" in record.getMessage()]
    assert any("rank_seen: False" in line and "\n" not in line for line in lines)

"""Every model recommends from its checkpoint alone, and as it was evaluated."""

import warnings

import numpy as np
import pandas as pd
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model import MODELS
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.telling import RecommendWarning
from tests.recommend.trained import WIDTHS, histories_of, recommender, trained

HOSTS = ["SASRec", "GRU4Rec", "BERT4Rec", "CORE", "LightSANs"]
OF_IDS = ["BSARec", "FDSAT", "Mamba4Rec", "S3RecT", "TiM4Rec", "SASRec"]
OF_CONTENT = [name for name in MODELS if name not in OF_IDS]
VARIANTS = [
    ("MMM4Rec", {"item_mm_fusion": "dynamic_instance", "num_layers": 2}),
    ("MMM4Rec", {"item_ids": False}),
    ("MMM4Rec", {"use_time": False, "missing_modality": "constant"}),
    ("MMM4Rec", {"fidelity": "reference"}),
    ("MMM4Rec", {"time_branch": "causal", "positions": "all"}),
    ("MISSRec", {"item_ids": True, "item_mm_fusion": "dynamic_instance"}),
    ("MISSRec", {"item_mm_fusion": "static", "interest_ratio": 0.5}),
    ("UniSRec", {"item_ids": True}),
    ("SASRecT", {"item_ids": True}),
    ("MMM4Rec", {"rank_seen": False}),
    ("MMM4Rec", {"co_occurrence": 20.0}),
    ("SASRecT", {"item_ids": True, "co_occurrence": 20.0, "rank_seen": False}),
    ("MMM4Rec", {"score_bias": True, "ema_decay": 0.9, "modality_dropout": 0.3}),
]


def places(model: str, **changes: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The place of every test target in the whole list, from 0, and where evaluation saw it: from, to."""
    _, trainer, loader = trained(model, tuple(changes.items()))
    items, times, targets = histories_of(loader)
    known = recommender(model, **changes)
    lists = known.recommend(items, times, k=len(known.items))
    found = []
    for user, target in zip(items, targets, strict=True):
        own = lists[(lists["user"] == user) & (lists["item"] == target)]
        found.append(int(own["rank"].iloc[0]) - 1 if len(own) else -1)
    return np.array(found), trainer.last_ranks, trainer.last_ranks + trainer.last_ties


@pytest.mark.parametrize("model", [*MODELS, *HOSTS])
def test_places_are_those_of_the_trainer(model: str) -> None:
    found, first, last = places(model)
    top = first < 50  # beyond the largest k of the metrics ties are not counted
    assert top.any()
    assert (found[top] >= first[top]).all()
    assert (found[top] <= last[top]).all()
    assert (found >= first).all()


@pytest.mark.parametrize(("model", "changes"), VARIANTS)
def test_settings_are_those_of_the_checkpoint(model: str, changes: dict[str, object]) -> None:
    found, first, _ = places(model, **changes)
    there = found >= 0  # with rank_seen: False a target that was seen before is in no list
    assert there.any()
    assert (found[there] >= first[there]).all()
    assert np.median(found[there] - first[there]) < 1


@pytest.mark.parametrize("model", OF_CONTENT)
def test_what_is_added_is_recommended_as_if_it_had_been_there(model: str) -> None:
    """A twin of an old item gets its user's score where nothing but content speaks for items."""
    known = recommender(model)
    old = known.recommend(["i1", "i2"], k=len(known.items)).set_index("item")["score"]
    at = known.catalogue.numbers(["i5"])[0]
    names = list(known.catalogue.features)
    vectors = {name: known.catalogue.features[name].matrix[[at]].numpy() for name in names}
    known.add_items(["twin"], vectors=vectors)
    new = known.recommend(["i1", "i2"], k=len(known.items)).set_index("item")["score"]
    assert set(new.index) == {*old.index, "twin"}
    np.testing.assert_allclose(new[old.index], old, rtol=1e-4, atol=1e-5)
    rows_of_its_own = any(known.blueprint._has_item_rows(name) for name in known.blueprint.state)
    if not rows_of_its_own or model == "MISSRec":
        assert new["twin"] == pytest.approx(new["i5"], rel=1e-4, abs=1e-5)
    assert len(known.recommend(["twin"], k=3)) == 3
    again = known.search(vector={name: v[0] for name, v in vectors.items()}, k=1, allow=["twin", "i7"])
    assert again["item"].tolist() == ["twin"]
    assert again["score"].iloc[0] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("model", OF_CONTENT)
def test_a_whole_new_catalogue(model: str) -> None:
    known = recommender(model)
    vectors = {name: np.eye(3, WIDTHS.get(name, 12)) for name in known.catalogue.features}
    fresh = known.with_catalogue(["a", "b", 7], vectors=vectors)
    assert fresh.items.tolist() == ["a", "b", "7"]
    lists = fresh.recommend([["a", 7], ["b"]], k=3)
    assert sorted(lists["item"][:3]) == ["7", "a", "b"]
    assert np.isfinite(lists["score"]).all()
    assert len(known.items) > 50  # the old one is as it was


@pytest.mark.parametrize("model", OF_IDS)
def test_models_of_ids_refuse_what_they_cannot_know(model: str) -> None:
    known = recommender(model)
    for call in (
        lambda: known.add_items(["new"], vectors={"text": np.ones((1, 12))}),
        lambda: known.with_catalogue(["new"], vectors={"text": np.ones((1, 12))}),
    ):
        with pytest.raises(UserError, match=f"{model} scores items by their ids only"):
            call()
    with pytest.raises(UserError, match=r"ids only|no features"):
        known.search(vector=np.ones(12))


@pytest.mark.parametrize("model", [*MODELS, "SASRec", "BERT4Rec"])
def test_an_explanation_is_the_difference_of_two_predictions(model: str) -> None:
    known = recommender(model)
    history, times = ["i1", "i2", "i3", "i2"], [1.5e9, 1.5e9 + 5, 1.5e9 + 9, 1.5e9 + 20]
    table = known.explain(history, "i7", times)

    def score(kept: list[int]) -> float:
        lists = known.recommend([history[at] for at in kept], [times[at] for at in kept], k=len(known.items))
        return float(lists.set_index("item")["score"]["i7"])

    full = score([0, 1, 2, 3])
    assert table.attrs["score"] == pytest.approx(full, rel=1e-4, abs=1e-5)
    items = table[table["left_out"] == "history item"]
    assert items["what"].tolist() == history
    for at, effect in zip(items["position"], items["effect"], strict=True):
        without = score([other for other in range(4) if other != at])
        assert effect == pytest.approx(full - without, rel=1e-3, abs=1e-4)
    others = table[table["left_out"] != "history item"]
    assert set(others["what"]) == set(known.catalogue.features)
    assert np.isfinite(others["score"]).all()


@pytest.mark.parametrize("model", ["MMM4Rec", "MISSRec", "UniSRec", "HM4SR"])
def test_a_modality_that_nothing_has_explains_nothing(model: str) -> None:
    known = recommender(model)
    assert not known.catalogue.features["text"].present[known.catalogue.numbers(["i59"])[0]]
    table = known.explain(["i1", "i2"], "i59", [1.5e9, 1.5e9 + 5])
    own = table[(table["left_out"] == "modality of the item") & (table["what"] == "text")]
    assert own["effect"].iloc[0] == pytest.approx(0.0, abs=1e-4)


def test_only_models_with_a_time_branch_miss_times() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecommendWarning)
        recommender("BSARec").recommend(["i1"])
    known = recommender("MMM4Rec")
    with pytest.warns(RecommendWarning, match="no times given"):
        known.recommend(["i1"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecommendWarning)
        known.recommend(["i1"])  # told once


@pytest.mark.parametrize(("model", "reason"), [("FPMC", "user_num"), ("FEARec", "inter_feat")])
def test_models_that_know_their_users_are_refused(model: str, reason: str) -> None:
    with pytest.raises(UserError, match=rf"{model} cannot be rebuilt from items only.*{reason}"):
        recommender(model)


def test_a_pretrained_model_recommends_where_it_learns_to_rank() -> None:
    assert len(recommender("UniSRec", stage="pretrain").recommend(["i1"], k=3)) == 3
    with pytest.raises(UserError, match="mean nothing after pre-training"):
        recommender("S3RecT", stage="pretrain")


@pytest.mark.parametrize("model", ["MMM4Rec", "SASRecT"])
def test_the_demo_shop_has_the_places_of_the_trainer(model: str) -> None:
    path, trainer, loader = trained(model, (("hidden_size", 16), ("train_batch_size", 2048)), "demo-shop")
    items, times, targets = histories_of(loader)
    known = load(path, "cpu")
    lists = known.recommend(items, times, k=50)
    hits = lists.merge(pd.DataFrame({"user": list(items), "item": targets}))
    found = hits.set_index("user")["rank"].reindex(list(items)).to_numpy() - 1
    first, last = trainer.last_ranks, trainer.last_ranks + trainer.last_ties
    assert len(hits) > 50
    there = ~np.isnan(found)
    assert (there == (first < 50)).mean() > 0.999  # a place beside the cut may round to its other side
    inside = (found[there] >= first[there]) & (found[there] <= last[there])
    assert inside.mean() > 0.999
    assert np.abs(found[there] - first[there])[~inside].max(initial=0) <= 1

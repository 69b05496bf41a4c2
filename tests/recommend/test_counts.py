"""Counts of the training set, wherever a checkpoint ranks: lists, new items, queries, exports."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from recbole_mmm4rec.data.content_neighbours import capped, neighbours_among, shared_out
from recbole_mmm4rec.nn.co_occurrence import DECAY, LIKENESS_OF_NEW
from recbole_mmm4rec.recommend.export.forms import export
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.recommender import Recommender
from tests.recommend.trained import WIDTHS, recommender, trained

CHANGES = {"co_occurrence": 20.0}
HISTORY, TIMES = ["i1", "i2", "i3", "i2"], [1.5e9, 1.5e9 + 5, 1.5e9 + 9, 1.5e9 + 20]


@pytest.fixture
def known() -> Recommender:
    return recommender("MMM4Rec", **CHANGES)


def scored(lists: pd.DataFrame) -> pd.Series:
    return lists.set_index("item")["score"].sort_index()


def without_counts() -> Recommender:
    """The same model; its counts are emptied."""
    bare = recommender("MMM4Rec", **CHANGES)
    bare.scorer.model.co_occurrence.values.zero_()
    return bare


def added(known: Recommender, history: list[str]) -> pd.Series:
    """What counts add to the score of every item after a history: nothing to those of the history."""
    numbers, items = known.catalogue.numbers(history), len(known.items)
    table = known.scorer.model.co_occurrence
    total = np.zeros(items + 1)
    for age, number in enumerate(numbers[::-1]):
        np.add.at(total, table.neighbours[number].numpy(), 20.0 * 0.8**age * table.values[number].numpy())
    total[numbers] = 0
    return pd.Series(total[1:], known.items).sort_index()


def test_lists_have_counts(known: Recommender) -> None:
    everything = {"k": len(known.items)}
    lists = scored(known.recommend(HISTORY, TIMES, **everything))
    bare = scored(without_counts().recommend(HISTORY, TIMES, **everything))
    expected = added(known, HISTORY)
    assert (expected > 0).any()
    np.testing.assert_allclose(lists - bare, expected, rtol=1e-3, atol=1e-4)


def vectors_of(known: Recommender, item: str) -> dict[str, np.ndarray]:
    number = int(known.catalogue.numbers([item])[0])
    return {name: one.matrix[[number]].numpy() for name, one in known.catalogue.features.items()}


def points(known: Recommender, history: list[str]) -> np.ndarray:
    """(N + 1,) of counts for a history, w = 1."""
    numbers = torch.from_numpy(known.catalogue.numbers(history))[None]
    return known.scorer.model.co_occurrence.points(numbers, torch.tensor([len(history)]))[0].numpy()


def likeness(known: Recommender, vectors: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(n, N + 1) shares of the items that are like others, twice: rows that sum to 1, and to 1 at most."""
    old = known.catalogue.features
    rows = {name: torch.from_numpy(one).float() for name, one in vectors.items()}
    pairs = [((rows[name], rows[name].any(1)), (old[name].matrix, old[name].present)) for name in rows]
    found = neighbours_among(pairs, (len(next(iter(rows.values()))), len(known.catalogue)))
    return shared_out(found).toarray(), capped(found).toarray()


def test_a_new_item_counts_as_its_like_and_as_near_them_and_changes_no_other(known: Recommender) -> None:
    vectors = vectors_of(known, "i4")
    before, (alike, close) = points(known, HISTORY), likeness(known, vectors)
    places = known.catalogue.numbers(HISTORY)
    near = LIKENESS_OF_NEW * sum(DECAY**age * close[:, place] for age, place in enumerate(reversed(places)))
    old = scored(known.recommend(HISTORY, TIMES, k=len(known.items)))
    known.add_items(["new"], vectors=vectors)
    after = points(known, HISTORY)
    assert after[-1] > 0
    np.testing.assert_allclose(after, [*before, *(alike @ before + near)], rtol=1e-4, atol=1e-6)
    new = scored(known.recommend(HISTORY, TIMES, k=len(known.items)))
    np.testing.assert_allclose(new[old.index], old, rtol=1e-4, atol=1e-5)
    as_history = points(known, ["new"])[:-1]
    lent = sum(w * points(known, [i])[:-1] for w, i in zip(alike[0, 1:], known.items[:-1], strict=True))
    np.testing.assert_allclose(as_history, lent + LIKENESS_OF_NEW * close[0], rtol=1e-4, atol=1e-6)


def test_items_that_are_added_one_after_the_other_have_counts_too(known: Recommender) -> None:
    for place in range(3):
        known.add_items([f"new {place}"], vectors=vectors_of(known, f"i{place + 4}"))
    assert (points(known, HISTORY)[-3:] > 0).all()
    table = known.explain(["i1", "new 0", "i2"], "new 2", TIMES[:3])
    lists = scored(known.recommend(["i1", "new 0", "i2"], TIMES[:3], k=len(known.items), exclude_seen=False))
    assert table.attrs["score"] == pytest.approx(lists["new 2"], rel=1e-4)


def test_where_items_lend_nothing_a_new_one_has_no_counts() -> None:
    bare = recommender("MMM4Rec", **CHANGES, co_occurrence_content=0.0)
    bare.add_items(["new"], vectors=vectors_of(bare, "i4"))
    assert points(bare, HISTORY)[:-1].any()
    assert points(bare, HISTORY)[-1] == 0


def test_a_catalogue_of_other_items_borrows_from_those_of_training(known: Recommender) -> None:
    vectors = {name: np.eye(3, width, dtype=np.float32) for name, width in WIDTHS.items()}
    alike, _ = likeness(known, vectors)
    table = np.stack([points(known, [item]) for item in known.items])
    expected = alike @ np.concatenate([np.zeros((1, table.shape[1])), table]) @ alike.T
    fresh = known.with_catalogue(["a", "b", "c"], vectors=vectors)
    for place, item in enumerate("abc"):
        wanted = np.where(np.arange(3) == place, 0, expected[place])
        np.testing.assert_allclose(points(fresh, [item])[1:], wanted, rtol=1e-4, atol=1e-6)
    fresh.add_items(["d"], vectors={name: one[:1] for name, one in vectors.items()})
    assert len(scored(fresh.recommend(["a", "d"], TIMES[:2], k=4, exclude_seen=False))) == 4


@pytest.mark.parametrize("seen", [False, True], ids=["new", "of the history"])
def test_an_explanation_counts_too(known: Recommender, seen: bool) -> None:
    item = "i1" if seen else added(known, HISTORY).idxmax()
    table = known.explain(HISTORY, item, TIMES)
    score = scored(known.recommend(HISTORY, TIMES, k=len(known.items), exclude_seen=False))[item]
    assert table.attrs["score"] == pytest.approx(score, rel=1e-4)
    bare = without_counts().explain(HISTORY, item, TIMES)
    modalities = table["left_out"] != "history item"
    # leaving a modality out leaves counts as they are
    np.testing.assert_allclose(table["effect"][modalities], bare["effect"][modalities], rtol=1e-3, atol=1e-4)
    assert not np.allclose(table["effect"][~modalities], bare["effect"][~modalities], atol=1e-3)


@pytest.mark.parametrize("history", [HISTORY, HISTORY * 9, ["i3"]], ids=len)
@pytest.mark.parametrize("names", [["text", "image"], ["image"]], ids=str)
def test_a_query_after_a_history_ranks_as_if_it_were_an_item_that_was_added(
    known: Recommender, history: list[str], names: list[str]
) -> None:
    vectors = {name: vectors_of(known, "i4")[name] + 0.5 for name in names}
    times = [1.5e9 + place for place in range(len(history))]
    query = {"vector": {name: one[0] for name, one in vectors.items()}}
    found = scored(known.search(**query, history=history, times=times, k=len(known.items)))
    bare = scored(without_counts().search(**query, history=history, times=times, k=len(known.items)))
    assert (found > bare + 1e-3).any()
    known.add_items(["query"], vectors=vectors)
    ended = [*history, "query"], [*times, times[-1]]
    lists = scored(known.recommend(*ended, k=len(known.items), exclude_seen=False))
    np.testing.assert_allclose(found, lists.drop("query")[found.index], rtol=1e-4, atol=1e-4)


def test_where_items_lend_nothing_a_query_has_no_counts() -> None:
    bare = recommender("MMM4Rec", **CHANGES, co_occurrence_content=0.0)
    query = {"vector": {name: np.ones(width) for name, width in WIDTHS.items()}}
    asked = {**query, "history": HISTORY, "times": TIMES, "k": len(bare.items)}
    found, expected = scored(bare.search(**asked)), 0.8 * added(bare, HISTORY)
    bare.scorer.model.co_occurrence.values.zero_()
    np.testing.assert_allclose(found - scored(bare.search(**asked)), expected, rtol=1e-3, atol=1e-4)


def test_likeness_is_as_without(known: Recommender) -> None:
    bare = without_counts()
    pd.testing.assert_frame_equal(known.similar("i1", k=5), bare.similar("i1", k=5))
    pd.testing.assert_frame_equal(known.encode_items(["i1"]), bare.encode_items(["i1"]))


def test_an_exported_folder_keeps_counts(
    known: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained("MMM4Rec", tuple(CHANGES.items()))[0]
    monkeypatch.chdir(tmp_path)
    export(path, "safetensors", "model")
    both, everything = (known, load("model", "cpu")), {"k": len(known.items)}
    pd.testing.assert_series_equal(*(scored(one.recommend(HISTORY, TIMES, **everything)) for one in both))


def test_an_index_finds_what_was_counted(known: Recommender) -> None:
    """Approximate lists are exact here: the catalogue is small, and counted items are looked up beside it."""
    indexed = load(trained("MMM4Rec", tuple(CHANGES.items()))[0], "cpu", index="ann")
    for k in (1, 5, 20):
        lists = [one.recommend(HISTORY, TIMES, k=k, exclude_seen=False) for one in (known, indexed)]
        assert lists[0]["item"].tolist() == lists[1]["item"].tolist()
        np.testing.assert_allclose(lists[0]["score"], lists[1]["score"], rtol=1e-4)

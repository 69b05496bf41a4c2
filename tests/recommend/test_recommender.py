"""What is told, refused and left out; forms of input; search by vectors."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.encoders.pixels import PixelEncoder
from recbole_mmm4rec.prepare.hashed_text import HASHED, hashed_vectors
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.telling import RecommendWarning
from tests.recommend.trained import recommender


@pytest.fixture
def known() -> Recommender:
    return recommender("SASRecT")


def told(call: object) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()  # type: ignore[operator]
    return [str(warning.message) for warning in caught if warning.category is RecommendWarning]


def test_forms_give_the_same_lists(known: Recommender) -> None:
    lists = [["i1", "i2"], ["i3"]]
    first = known.recommend(lists, k=4)
    assert first["user"].tolist() == [0] * 4 + [1] * 4
    assert first["rank"].tolist() == [1, 2, 3, 4] * 2
    assert first["score"].dtype == np.float32
    table = pd.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["i2", "i1", "i3"], "timestamp": [5, 3, 9]})
    for other in (known.recommend(dict(zip("uv", lists, strict=True)), k=4), known.recommend(table, k=4)):
        assert other["user"].tolist() == ["u"] * 4 + ["v"] * 4
        pd.testing.assert_frame_equal(other.drop(columns="user"), first.drop(columns="user"), rtol=1e-5)


def test_one_user_or_many_at_a_time(known: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    histories = [[f"i{(user + step) % 50}" for step in range(user % 23 + 1)] for user in range(40)]
    whole = known.recommend(histories, k=5, on_unknown="ignore")
    monkeypatch.setattr(type(known.scorer), "users_at_a_time", 3)
    parts = list(known.recommend_in_parts(histories, k=5, on_unknown="ignore"))
    assert len(parts) > 10
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, rtol=1e-5)


def test_a_history_longer_than_the_model_reads(known: Recommender) -> None:
    longest = known.blueprint.max_length
    history = [f"i{n % 50}" for n in range(60) if known.catalogue.numbers([f"i{n % 50}"])[0] > 0]
    assert len(history) > longest
    one, other = known.recommend(history, k=5), known.recommend(history[-longest:], k=5)
    pd.testing.assert_frame_equal(one, other)
    fewer = known.recommend(history, k=5, exclude_seen=True)
    assert not set(fewer["item"]) & set(history)


def test_what_is_left_out_is_counted_and_nothing_else_is_lost(known: Recommender) -> None:
    histories = {"a": ["i1", "?"], "b": [], "c": ["!"], "d": ["i2"]}
    lines = told(lambda: known.recommend(histories, k=2))
    assert lines == [
        'histories: the model does not know "?", "!"; left out',
        'histories without an item that the model knows, left out: "b", "c"',
    ]
    with pytest.raises(UserError, match=r'histories: the model does not know "\?", "!"$'):
        known.recommend(histories, on_unknown="raise")
    found = known.recommend({"a": ["i1"], "b": ["i2"]}, k=3, allow={"a": ["i3"]}, on_unknown="ignore")
    assert found["user"].tolist() == ["a", "b", "b", "b"]
    lines = told(lambda: known.recommend([["i1"], ["i2"]], k=3, allow=[["i3"], []]))
    assert lines == [
        'users to whom allow, deny and exclude_seen leave no item: "1"',
        "fewer than 3 items left after filters for 1 of 2 users",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"histories": []}, "history of user 0: empty"),
        ({"histories": ["nope"]}, "no item in it that the model knows"),
        ({"histories": ["i1"], "k": 58}, "k: 58 exceeds the 57 items"),
        ({"histories": ["i1"], "allow": []}, "user 0: allow, deny and exclude_seen leave no item"),
        ({"histories": ["i1"], "on_unknown": "shout"}, "on_unknown: 'shout'"),
        ({"histories": ["i1", "i2"], "times": [9, 8]}, "history of user 0: times go backwards"),
        ({"histories": 5}, "lists of item ids are needed, not int"),
    ],
)
@pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
def test_one_line_for_bad_input(known: Recommender, arguments: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=line):
        known.recommend(**arguments)


def test_similar_items_are_those_with_the_largest_cosine(known: Recommender) -> None:
    vectors = known.encode_items()
    assert vectors.index.tolist() == known.items.tolist()
    unit = vectors.to_numpy() / np.linalg.norm(vectors.to_numpy(), axis=1, keepdims=True)
    cosines = pd.Series(unit @ unit[known.items.tolist().index("i4")], index=vectors.index).drop("i4")
    found = known.similar("i4", k=6)
    assert found["similar"].tolist() == cosines.nlargest(6).index.tolist()
    np.testing.assert_allclose(found["score"], cosines.nlargest(6), rtol=1e-5)
    both = known.similar(["i4", "i5"], k=6)
    pd.testing.assert_frame_equal(both[:6], found, rtol=1e-5)
    assert known.similar("i4", k=2, allow=["i5", "i4"])["similar"].tolist() == ["i5"]
    with pytest.raises(UserError, match=r'items: the model does not know "i\?"'):
        known.similar(["i4", "i?"])


def test_scores_are_products_of_the_encoded(known: Recommender) -> None:
    users, items = known.encode_users({"u": ["i1", "i2"], "v": ["i7"]}), known.encode_items(["i3", "i4"])
    lists = known.recommend({"u": ["i1", "i2"], "v": ["i7"]}, k=57).set_index(["user", "item"])["score"]
    for user in "uv":
        for item in ("i3", "i4"):
            assert lists[user, item] == pytest.approx(float(users.loc[user] @ items.loc[item]), rel=1e-4)


@pytest.mark.parametrize("model", ["MMM4Rec", "MISSRec", "UniSRec", "VQRec", "MMSRec"])
def test_a_query_in_a_history_is_an_item_in_a_history(model: str) -> None:
    """The features of an old item as a query give the scores of that item, if no more is known of it."""
    features_only = {"item_ids": False, "co_occurrence": 0}
    made = recommender(model, **(features_only if model == "MMM4Rec" else {}))
    at = made.catalogue.numbers(["i5"])[0]
    vector = {name: f.matrix[at].numpy() for name, f in made.catalogue.features.items()}
    every = {"history": ["i1"], "times": [1.5e9], "k": 57, "exclude_seen": False}
    found = made.search(vector=vector, **every).set_index("item")["score"]
    same = made.recommend(["i1", "i5"], [1.5e9, 1.5e9], k=57).set_index("item")["score"]
    np.testing.assert_allclose(found[same.index], same, rtol=1e-3, atol=1e-4)
    like = made.search(like=["i5"], **every).set_index("item")["score"]
    assert set(same.index) - set(like.index) == {"i5"}  # what is named is not found again
    seen = made.search(like=np.array(["i5"]), **every | {"exclude_seen": True})
    assert set(same.index) - set(seen["item"]) == {"i1", "i5"}
    np.testing.assert_allclose(like, same[like.index], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ({}, "exactly one of vector, text, image, like is needed, not none"),
        ({"text": "a", "like": ["i1"]}, "not text and like"),
        ({"vector": np.ones(5)}, r"vector: 5 is the width of no modality \(text 12, image 8\)"),
        ({"vector": {"text": np.ones(5)}}, r"text: vectors of shape \(1, 12\) are needed, not \(1, 5\)"),
        ({"vector": {"sound": np.ones(5)}}, "the model does not read sound; it reads text, image"),
        ({"vector": np.full(12, np.nan)}, "text: NaN or infinity in vector 1 of 1"),
        ({"vector": np.zeros(12)}, "the query is empty"),
        ({"vector": ["a"] * 12}, "text: vectors of numbers are needed"),
        ({"text": "words"}, "from 'random', which cannot encode a query here"),
        ({"image": "x.png"}, "from 'random', which cannot encode a query here"),
        ({"like": []}, "like names no item"),
        ({"like": ["?"]}, r'like: the model does not know "\?"'),
        ({"like": ["i1"], "allow": []}, "leave no item"),
        ({"like": ["i1"], "allow": ["i2"], "deny": ["i2"]}, '"i2" is in allow and in deny'),
    ],
)
def test_queries_that_cannot_be(query: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=line):
        recommender("MMM4Rec").search(**query)


@pytest.mark.parametrize(
    ("ids", "given", "line"),
    [
        (["i1"], {"vectors": {"text": np.ones((1, 12))}}, '"i1": already an item'),
        (["n", "n"], {"vectors": {"text": np.ones((2, 12))}}, 'more than once: "n"'),
        (["n", ""], {"vectors": {"text": np.ones((2, 12))}}, "ids: number 2 is empty"),
        ([], {}, "no item is named"),
        ("n", {}, "a list of item ids is needed"),
        (["n"], {}, 'without a feature: "n"'),
        (["n"], {"vectors": {"text": np.zeros((1, 12))}}, 'without a feature: "n"'),
        (["n"], {"vectors": {"text": np.ones((2, 12))}}, "not \\(2, 12\\)"),
        (["n"], {"texts": ["a", "b"]}, "1 are needed, one per item"),
        (["n"], {"texts": "a"}, "1 are needed, one per item"),
        (["n"], {"texts": ["a"], "vectors": {"text": np.ones((1, 12))}}, "one of them"),
    ],
)
def test_new_items_that_cannot_be(ids: object, given: dict[str, object], line: str) -> None:
    made = recommender("MMM4Rec")
    with pytest.raises(UserError, match=line):
        made.add_items(ids, **given)
    assert len(made.items) == 57


def described(made: Recommender, **metadata: dict[str, object]) -> Recommender:
    """Let the features say that a certain encoder made them."""
    for name, facts in metadata.items():
        made.catalogue.features[name].metadata.clear()
        made.catalogue.features[name].metadata.update(facts)
    return made


def test_texts_and_pictures_go_through_the_encoder_of_the_features(in_tmp: Path) -> None:
    made = described(recommender("MMM4Rec"), text={"encoder": HASHED})
    for text in ("red shoe", "a"):
        vector = hashed_vectors([text], 12)[0][0]
        pd.testing.assert_frame_equal(made.search(text=text, k=5), made.search(vector=vector, k=5))
    with pytest.raises(UserError, match="nothing in it can be encoded"):
        made.search(text="!!!")
    made.add_items(["t"], texts=["red shoe"])
    assert made.search(text="red shoe", k=1)["item"].tolist() == ["t"]

    described(made, image=PixelEncoder().metadata)
    Image.new("RGB", (30, 30), "red").save("red.png")
    with pytest.raises(UserError, match="gives 192 numbers, the items have 8"):
        made.search(image="red.png")
    Path("no.png").write_text("no picture")
    with pytest.raises(UserError, match=r"no.png: not a usable picture: no picture"):
        made.search(image="no.png")
    with pytest.raises(UserError, match="is needed, not int"):
        made.search(image=5)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"encoder": "TF-IDF + truncated SVD (scikit-learn)"}, "cannot encode a query here"),
        ({}, "from an encoder that their file does not name"),
        ({"encoder": "pixels at 9x9, fixed random projection"}, "cannot encode a query here"),
    ],
)
def test_encoders_that_cannot_be_had(facts: dict[str, object], line: str) -> None:
    made = described(recommender("MMM4Rec"), text=facts)
    with pytest.raises(UserError, match=line):
        made.search(text="red shoe")


def test_another_version_of_an_encoder_is_refused() -> None:
    facts = PixelEncoder().metadata | {"weights": "others"}
    made = described(recommender("MMM4Rec"), image=facts)
    with pytest.raises(UserError, match="with weights 'others'; the installed one has None"):
        made.search(image=Image.new("RGB", (9, 9)))


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from recbole_mmm4rec.prepare.encoders import choice

    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    made = described(recommender("MMM4Rec"), text={"encoder": "open_clip ViT-B-16-SigLIP (webli)"})
    with pytest.raises(UserError, match=r"pip install 'recbole-mmm4rec\[open-clip\]'"):
        made.search(text="red shoe")


def test_seen_items_follow_the_checkpoint_unless_told() -> None:
    for ranks in (True, False):
        made = recommender("SASRecT", rank_seen=ranks)
        assert made.exclude_seen is not ranks
        whole = made.recommend(["i1", "i2"], k=57)
        assert ({"i1", "i2"} <= set(whole["item"])) is ranks
        assert len(made.recommend(["i1", "i2"], k=57, exclude_seen=False)) == 57


def test_texts_of_new_items_go_by_place_and_may_be_missing() -> None:
    """A column of a table that was sorted has labels in another order."""
    facts = {"encoder": HASHED}
    lists = []
    for kind in (list, pd.Series):
        made = described(recommender("MMM4Rec"), text=facts)
        table = pd.DataFrame({"price": [3, 1, 2], "text": ["red lamp", "blue vase", np.nan]})
        table = table.assign(id=["a", "b", "c"]).sort_values("price")
        pictures = {"image": np.ones((3, 8))}
        made.add_items(kind(table["id"]), texts=kind(table["text"]), vectors=pictures)
        number = made.catalogue.numbers(["c"])[0]
        assert not made.catalogue.features["text"].present[number]
        lists.append(made.encode_items(["a", "b", "c"]))
    pd.testing.assert_frame_equal(*lists)
    with pytest.raises(UserError, match="text: number 2 of 2 is not a text but 5"):
        made.add_items(["d", "e"], texts=["red", 5])
    with pytest.raises(UserError, match="name of an empty position"):
        made.add_items(["[PAD]"], texts=["red"])


def test_one_id_is_one_id(known: Recommender) -> None:
    for one in ("12", 12, np.int64(12)):
        with pytest.raises(UserError, match=r'the model does not know "12"$'):
            known.encode_items(one)
    assert known.encode_items("i1").index.tolist() == ["i1"]
    pd.testing.assert_frame_equal(known.similar(np.str_("i1"), k=3), known.similar(["i1"], k=3))
    for ask in (lambda: known.explain("i1", "i2"), lambda: known.search(like="i1", history="i2")):
        with pytest.raises(UserError, match="history: a list of item ids is needed, not 'i"):
            ask()


@pytest.mark.parametrize("history", [[], ["?"]], ids=str)
def test_a_search_for_somebody_without_a_known_item_is_refused(
    known: Recommender, history: list[str]
) -> None:
    with pytest.raises(UserError, match="empty, or no item in it that the model knows"):
        known.search(like="i1", history=history)


def test_ids_are_found_as_prepare_writes_them(known: Recommender) -> None:
    old = known.catalogue
    known.catalogue = old.with_features([*old.tokens[:-2], "caf\u00e9", " as it is "], old.features)
    ids = [" i1 ", "cafe\u0301", " as it is ", "as it is", "i1"]
    last = len(known.catalogue) - 1
    assert known.catalogue.numbers(ids).tolist()[1:4] == [last - 1, last, -1]
    assert known.catalogue.numbers([" i1 "]).tolist() == known.catalogue.numbers(["i1"]).tolist()

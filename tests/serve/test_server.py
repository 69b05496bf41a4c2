"""A real server on this machine answers what the recommender answers, and refuses in one sentence."""

import json
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.recommend.recommender import Recommender
from tests.serve.shop import Server, checkpoint, client, dataset

pytestmark = pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
HISTORY, TIMES = ["i5", "i11", "i30"], [1.5e9, 1.5e9 + 60, 1.5e9 + 3600]


@pytest.fixture(scope="module")
def direct() -> Recommender:
    return load(checkpoint(), "cpu")


def posted(ask: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = ask.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check(rows: list[dict[str, Any]], frame: pd.DataFrame, item: str = "item") -> None:
    assert [row["item"] for row in rows] == frame[item].tolist()
    assert [row["rank"] for row in rows] == list(range(1, len(frame) + 1))
    np.testing.assert_allclose([row["score"] for row in rows], frame["score"], rtol=1e-4, atol=1e-5)


def test_lists_are_the_recommenders(ask: httpx.Client, direct: Recommender) -> None:
    found = posted(ask, "/recommend", history=HISTORY, times=TIMES, k=7)
    check(found["results"][0]["items"], direct.recommend(HISTORY, TIMES, k=7))
    assert found["notes"] == []
    wishes: dict[str, Any] = {"k": 4, "exclude_seen": False, "deny": ["i7"]}
    found = posted(ask, "/recommend", history=HISTORY, times=TIMES, allow=["i5", "i30", "i1"], **wishes)
    check(
        found["results"][0]["items"],
        direct.recommend(HISTORY, TIMES, allow=["i5", "i30", "i1"], on_unknown="ignore", **wishes),
    )
    assert found["notes"] == ["fewer than 4 items left after filters for 1 of 1 users"]


def test_many_histories_keep_their_order_and_their_names(ask: httpx.Client, direct: Recommender) -> None:
    one, other = {"history": HISTORY, "times": TIMES}, {"history": ["i2"], "times": ["2017-07-14"]}
    empty = {"user": "nobody", "history": ["?"], "times": [1]}
    asked = [{"user": "z", **other}, empty, {"user": "a", "deny": ["i11"], **one}, one]
    found = posted(ask, "/recommend", histories=asked, k=3)
    assert [result["user"] for result in found["results"]] == ["z", "nobody", "a", None]
    check(found["results"][0]["items"], direct.recommend(["i2"], ["2017-07-14"], k=3))
    assert found["results"][1]["items"] == []
    check(found["results"][2]["items"], direct.recommend(HISTORY, TIMES, k=3, deny=["i11"]))
    check(found["results"][3]["items"], direct.recommend(HISTORY, TIMES, k=3))
    assert found["notes"] == [
        'histories: the model does not know "?"; left out',
        'histories without an item that the model knows, left out: "nobody"',
    ]


def test_a_user_of_the_dataset(ask: httpx.Client, direct: Recommender) -> None:
    history = ask.get("/users/u3").json()["history"]
    rows = [line.split("\t") for line in (dataset() / "shop.inter").read_text().splitlines()[1:]]
    own = sorted((float(time), item) for user, item, time in rows if user == "u3")
    assert [(event["time"], event["item"]) for event in history] == own
    found = posted(ask, "/recommend", user="u3", k=5)
    same = direct.recommend([item for _, item in own], [time for time, _ in own], k=5, on_unknown="ignore")
    assert found["results"][0]["user"] == "u3"
    check(found["results"][0]["items"], same)
    assert ask.get("/users", params={"query": "u2", "limit": 2}).json() == {
        "total": 11,
        "users": [{"user": user, "events": len(events)} for user, events in _users(rows, "u2")[:2]],
    }


def _users(rows: list[list[str]], query: str) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for user, item, _ in rows:
        found.setdefault(user, []).append(item)
    return [(user, items) for user, items in found.items() if query in user]


def test_similar(ask: httpx.Client, direct: Recommender) -> None:
    found = posted(ask, "/similar", items=["i4", "i5", "i4"], k=3)
    assert [result["item"] for result in found["results"]] == ["i4", "i5", "i4"]
    for result in found["results"]:
        check(result["items"], direct.similar(result["item"], k=3), "similar")


def test_search(ask: httpx.Client, direct: Recommender) -> None:
    check(posted(ask, "/search", text="red lamp", k=3)["items"], direct.search(text="red lamp", k=3))
    queries: list[dict[str, Any]] = [
        {"vector": [0.5] * 16},
        {"vector": {"text": [0.5] * 16, "image": [0.1] * 192}},
        {"like": ["i3", "i4"]},
        {"text": "red lamp", "history": HISTORY, "times": TIMES, "exclude_seen": True},
    ]
    for query in queries:
        check(posted(ask, "/search", k=3, **query)["items"], direct.search(k=3, **query))


def test_search_with_a_picture(ask: httpx.Client, direct: Recommender) -> None:
    path = dataset() / "images" / "i13.png"
    found = ask.post("/search/image", files={"image": path.read_bytes()}, data={"k": "2"}).json()
    check(found["items"], direct.search(image=path, k=2))
    assert found["items"][0]["item"] == "i13"
    form = {
        "history": HISTORY,
        "times": [str(time) for time in TIMES],
        "deny": ["i13"],
        "exclude_seen": "true",
    }
    found = ask.post("/search/image", files={"image": path.read_bytes()}, data=form).json()
    same = direct.search(image=path, history=HISTORY, times=TIMES, deny=["i13"], exclude_seen=True)
    check(found["items"], same)


def test_explain(ask: httpx.Client, direct: Recommender) -> None:
    found = posted(ask, "/explain", history=HISTORY, times=TIMES, item="i13")
    table = direct.explain(HISTORY, "i13", TIMES)
    assert [effect["what"] for effect in found["effects"]] == table["what"].tolist()
    assert found["effects"][0]["title"] == "Grey lamp"
    np.testing.assert_allclose(found["score"], table.attrs["score"], rtol=1e-4)
    np.testing.assert_allclose([e["effect"] for e in found["effects"]], table["effect"], atol=1e-4)
    lone = posted(ask, "/explain", history=["i5"], item="i13")
    assert lone["effects"][0]["score"] is None
    assert lone["effects"][0]["effect"] is None


def test_items_titles_and_pictures(ask: httpx.Client, direct: Recommender) -> None:
    page = ask.get("/items", params={"query": " VASE", "limit": 3}).json()
    vases = [item for item in direct.items if item in ("i6", "i7", "i10", "i11")]  # i8 and i9 nobody chose
    assert (page["total"], [item["item"] for item in page["items"]]) == (4, vases[:3])
    every = ask.get("/items", params={"limit": 100}).json()
    assert [item["item"] for item in every["items"]] == direct.items.tolist()
    rest = ask.get("/items", params={"limit": 100, "offset": 50}).json()
    assert (rest["total"], rest["items"]) == (every["total"], every["items"][50:])
    assert ask.get("/items/i5").json() == {
        "item": "i5",
        "title": "Grey lamp",
        "picture": "/items/i5/picture",
        "fields": {"title": "Grey lamp", "kind": "kind2"},
        "known": True,
    }
    picture = ask.get("/items/i5/picture")
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(BytesIO(picture.content)).size == (30, 40)
    assert Image.open(BytesIO(ask.get("/items/i2/picture").content)).size == (30, 40)
    assert ask.get("/items/i1/picture").status_code == 422
    assert "/" not in ask.get("/items/i1/picture").json()["detail"]


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("/recommend", {}, "exactly one of history, user and histories is needed, not none"),
    ("/recommend", {"history": []}, "history of user 0: empty"),
    ("/recommend", {"history": ["nothing"]}, "no item in it that the model knows"),
    ("/recommend", {"history": ["i5", "nothing"], "on_unknown": "raise"}, 'does not know "nothing"'),
    ("/recommend", {"history": ["i5"], "k": 58}, "k: 58 exceeds the"),
    ("/recommend", {"history": ["i5"], "k": 0}, "k: input should be greater than or equal to 1"),
    ("/recommend", {"history": ["i5"], "k": 1e9}, "k: "),
    ("/recommend", {"history": ["i5"], "k": "many"}, "k: input should be a valid integer"),
    ("/recommend", {"history": ["i5"], "allow": []}, "leave no item to recommend"),
    ("/recommend", {"history": ["i5"], "allow": ["i7"], "deny": ["i7"]}, '"i7" is in allow and in deny'),
    ("/recommend", {"history": ["i5", "i7"], "times": [9, 8]}, "times go backwards"),
    ("/recommend", {"history": ["i5", "i7"], "times": [9]}, "2 items, but 1 times"),
    ("/recommend", {"history": ["i5"], "times": ["soon"]}, "times: 'soon' is not a time"),
    ("/recommend", {"history": ["i5"], "times": [1.5e12]}, "looks like ms"),
    ("/recommend", {"history": ["i5"], "times": [1e300]}, "is not a time"),
    ("/recommend", {"times": [9]}, "times go with a history"),
    ("/recommend", {"user": "u99"}, 'user: the dataset does not know "u99"'),
    ("/recommend", {"user": "u1", "history": ["i5"]}, "history and user do not go together"),
    ("/recommend", {"history": ["i5"], "kk": 3}, '"kk" is not a key of this request'),
    ("/recommend", {"history": ["i5", [1]]}, "history[1]: input should be a valid string or"),
    ("/recommend", {"history": ["i5"] * 1001}, "history: list should have at most 1000 items"),
    ("/recommend", {"histories": [{"history": ["i5"]}] * 257}, "histories: list should have at most 256"),
    ("/recommend", {"histories": [{"history": ["i5"]}] * 256, "k": 500}, "exceeds 50,000 rows"),
    (
        "/recommend",
        {"histories": [{"history": ["i5"]}, {"history": ["i5"], "times": []}]},
        "history of user 0: 1 items, but no times",
    ),
    (
        "/recommend",
        {"histories": [{"history": ["i5"], "deny": []}], "deny": ["i7"]},
        "deny stands beside histories and within them",
    ),
    ("/recommend", {"history": ["\ud800"]}, "history[0]: "),
    ("/recommend", {"history": ["x" * 1001]}, "history[0]: string should have at most 1000 characters"),
    ("/similar", {"items": []}, "items: list should have at least 1 item"),
    ("/similar", {"items": ["nothing"]}, 'items: the model does not know "nothing"'),
    ("/similar", {"items": ["i5"], "allow": ["i5"]}, "leave no item"),
    ("/search", {}, "exactly one of vector, text, image, like is needed, not none"),
    ("/search", {"text": "a", "like": ["i5"]}, "not text and like"),
    ("/search", {"text": "!!!"}, "nothing in it can be encoded"),
    ("/search", {"vector": [1.0, 2.0]}, "vector: 2 is the width of no modality"),
    ("/search", {"vector": {"text": [1.0]}}, "text: vectors of shape (1, 16) are needed"),
    ("/search", {"vector": {"sound": [1.0]}}, "the model does not read sound"),
    ("/search", {"vector": [0.0] * 16}, "the query is empty"),
    ("/search", {"vector": [1e200] * 16}, "NaN or infinity"),
    ("/search", {"vector": "words"}, "vector: input should be a valid list"),
    ("/search", {"like": ["nothing"]}, 'like: the model does not know "nothing"'),
    ("/explain", {"history": ["i5"]}, "item: field required"),
    ("/explain", {"item": "i5"}, "a history or a user is needed"),
    ("/explain", {"history": ["i5"], "item": "nothing"}, 'item: the model does not know "nothing"'),
    ("/explain", {"history": [], "item": "i5"}, "empty"),
]


@pytest.mark.parametrize(("path", "body", "line"), BAD)
def test_one_sentence_for_bad_input(ask: httpx.Client, path: str, body: dict[str, Any], line: str) -> None:
    answer = ask.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    detail = answer.json()["detail"]
    assert line in detail
    assert "\n" not in detail


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('{"vector": [NaN, 1]}', "vector"),
        ('{"vector": [1e999]}', "vector"),
        ('{"history": ["i5"]', "the body is not JSON"),
        ("", "field required"),
        ("[]", "valid dictionary"),
        ('{"history": ' + "[" * 20_000, ""),
        ('{"history": [' + "9" * 5_000 + "]}", ""),
        (b"\xff\xfe{}", ""),
    ],
)
def test_bodies_that_cannot_be_read(ask: httpx.Client, body: str, line: str) -> None:
    answer = ask.post("/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert line in answer.json()["detail"]


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain; charset=utf-8"])
@pytest.mark.parametrize("body", ['{"history": ["i5"]}', ""])
def test_a_body_that_is_not_said_to_be_json(ask: httpx.Client, kind: str | None, body: str) -> None:
    answer = ask.post("/recommend", content=body, headers={} if kind is None else {"Content-Type": kind})
    assert answer.status_code == 422
    assert "sent with Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("image", "form", "line"),
    [
        (b"no picture", {}, "image: not a usable picture: no picture"),
        (b"", {}, "image: not a usable picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), {}, "image: not a usable picture"),
        (bytes(10 * 2**20 + 1), {}, "image: larger than 10 MiB"),
        (None, {"k": "2"}, "image: field required"),
        (None, {"image": "text"}, "image: "),
        ("i13", {"k": "many"}, "k: input should be a valid integer"),
        ("i13", {"history": ["i5"], "times": ["soon"]}, "times: 'soon' is not a time"),
        ("i13", {"history": ["i5"], "times": ["nan"]}, "times"),
        ("i13", {"history": ["i5"], "user": "u1"}, "history and user do not go together"),
        ("i13", {"user": "u99"}, "does not know"),
        ("i13", {"colour": "red"}, '"colour" is not a key of this request'),
    ],
)
def test_uploads_that_cannot_be(
    ask: httpx.Client, image: bytes | str | None, form: dict[str, Any], line: str
) -> None:
    data = (dataset() / "images" / f"{image}.png").read_bytes() if isinstance(image, str) else image
    answer = ask.post("/search/image", files=None if data is None else {"image": data}, data=form)
    assert answer.status_code == 422, answer.text
    assert line in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/items/nothing", 404),
        ("/items/nothing/picture", 404),
        ("/items/i0/picture", 404),
        ("/items/..%2F..%2Fetc%2Fpasswd/picture", 404),
        ("/items/%FF%00", 404),
        ("/users/nobody", 404),
        ("/nothing", 404),
        ("/items?limit=101", 422),
        ("/items?offset=-1", 422),
        ("/users?offset=99999999999999999999", 422),
        ("/recommend", 405),
    ],
)
def test_addresses_that_are_none(ask: httpx.Client, path: str, status: int) -> None:
    answer = ask.get(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]


def test_a_limit_per_category(ask: httpx.Client, direct: Recommender) -> None:
    kinds = {item: f"kind{int(item[1:]) % 3}" for item in direct.items.tolist() if item != "i0"}
    history = {"history": HISTORY, "k": 3, "exclude_seen": True}
    wanted = direct.recommend(HISTORY, k=3, exclude_seen=True, categories=kinds, per_category=1)
    for categories in ("kind", kinds, "kind"):
        found = posted(ask, "/recommend", **history, categories=categories, per_category=1)
        assert [row["item"] for row in found["results"][0]["items"]] == wanted["item"].tolist()
    bad: list[tuple[dict[str, Any], str]] = [
        ({"categories": "colour", "per_category": 1}, "no field 'colour' of items; it has title"),
        ({"categories": "kind"}, "categories and per_category go together"),
        ({"per_category": 1}, "categories and per_category go together"),
        ({"categories": "kind", "per_category": 0}, "per_category: "),
        ({"categories": {"?": "a"}, "per_category": 1}, "none of its ids is an item"),
        ({"categories": ["kind"], "per_category": 1}, "categories: "),
    ]
    for given, line in bad:
        answer = ask.post("/recommend", json=history | given)
        assert answer.status_code == 422, answer.text
        assert line in answer.json()["detail"]


def test_a_large_body_is_refused(ask: httpx.Client) -> None:
    answer = ask.post("/recommend", content=b" " * (16 * 2**20 + 1))
    assert answer.status_code == 413
    assert answer.json() == {"detail": "the request is larger than 16 MiB"}


def test_requests_at_a_time_give_what_they_give_alone(server: Server) -> None:
    def lists(number: int) -> dict[str, Any]:
        history = [f"i{10 + (number * 7 + step) % 45}" for step in range(1 + number % 19)]
        with client(server) as asking:
            return posted(
                asking, "/recommend", history=history, k=5 + number % 3, exclude_seen=number % 2 > 0
            )

    alone = [lists(number) for number in range(48)]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lists, range(48)))
    for one, other in zip(alone, together, strict=True):
        assert one["notes"] == other["notes"]
        check(one["results"][0]["items"], pd.DataFrame(other["results"][0]["items"]))


def test_health_metrics_and_the_way_to_the_page(ask: httpx.Client, direct: Recommender) -> None:
    health = ask.get("/health").json()
    assert health["status"] == "ok"
    assert (health["model"], health["items"], health["users"]) == ("MMM4Rec", len(direct.items), 30)
    assert (health["modalities"], health["reads_times"]) == (["text", "image"], True)
    ask.get("/nothing/that/anybody/makes/up")
    lines = ask.get("/metrics").text.splitlines()
    assert not [line for line in lines if "makes" in line]
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values['recbole_mmm4rec_requests_total{method="GET",path="/health",status="200"}']) >= 1
    assert float(values['recbole_mmm4rec_request_seconds_count{path="/health"}']) >= 1
    posted(ask, "/recommend", history=HISTORY)
    after = dict(line.rsplit(" ", 1) for line in ask.get("/metrics").text.splitlines())
    count = "recbole_mmm4rec_batch_histories_count"
    assert float(after[count]) == float(values[count]) + 1
    assert ask.get("/").status_code in (200, 307)


def test_it_says_when_it_is_ready(server: Server) -> None:
    assert 0 < server.seconds < 300
    assert server.url.startswith("http://127.0.0.1:")


def test_examples_work(ask: httpx.Client) -> None:
    document = ask.get("/openapi.json").json()
    tried = 0
    for path, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for example in content.get("application/json", {}).get("examples", {}).values():
            posted(ask, path, **example["value"])
            tried += 1
    assert tried >= 7


def test_pictures_stay_where_they_are(ask: httpx.Client) -> None:
    """Nothing of this machine is told: neither paths nor the server's software."""
    answer = ask.get("/items/i1/picture")
    assert str(Path.home()) not in answer.text
    assert "server" not in answer.headers

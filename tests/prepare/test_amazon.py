"""Amazon's layouts: all of them give the same dataset."""

import json
from pathlib import Path

import pytest

from recbole_mmm4rec.prepare.sources.amazon import first_link, text_of
from tests.prepare.raw_files import AMAZON, DAY, START, dense_rows, meta, rows_of, run, write_amazon


@pytest.mark.parametrize("zipped", [False, True])
def test_ratings_csv(tmp_path: Path, zipped: bool) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta(), zipped)
    assert run(raw, tmp_path, *AMAZON) == 0
    rows = rows_of(tmp_path / "shop" / "shop.inter")
    assert len(rows) == 48
    assert rows[1] == {
        "user_id:token": "U0", "item_id:token": "I1", "rating:float": "2", "timestamp:float": str(START + DAY)
    }  # fmt: skip
    items = rows_of(tmp_path / "shop" / "shop.item")
    assert items[0]["title:token_seq"] == "Thing & tool 0"
    assert items[0]["category:token_seq"] == "Tools Kind 0"


def test_reviews_as_json_lines_give_the_same(tmp_path: Path) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    reviews = [
        {"reviewerID": user, "asin": item, "overall": rating, "unixReviewTime": time, "reviewText": "x"}
        for item, user, rating, time in dense_rows()
    ]
    (raw / "reviews.json").write_text("\n".join(map(json.dumps, reviews)))
    assert run(raw, tmp_path, *AMAZON, name="a") == 0
    assert run(raw, tmp_path, *AMAZON, "--interactions=reviews.json", name="b") == 0
    assert (tmp_path / "a" / "a.inter").read_bytes() == (tmp_path / "b" / "b.inter").read_bytes()


def test_python_literals_of_2014(tmp_path: Path) -> None:
    entries = [repr(entry | {"title": "It's 'quoted'"}).encode() for entry in meta()]
    raw = write_amazon(tmp_path / "raw", dense_rows(), entries)
    assert run(raw, tmp_path, *AMAZON) == 0
    assert rows_of(tmp_path / "shop" / "shop.item")[0]["title:token_seq"] == "It's 'quoted'"


def test_a_line_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    attack = f"{{'asin': 'I9', 'title': __import__('pathlib').Path({str(trap)!r}).touch()}}".encode()
    raw = write_amazon(tmp_path / "raw", dense_rows(), [*meta(), attack])
    assert run(raw, tmp_path, *AMAZON) == 0
    assert not trap.exists()
    record = json.loads((tmp_path / "shop" / "shop.prepare.json").read_text())
    assert record["skipped"]["lines skipped: not a JSON object"] == {"count": 1, "first": "meta.json line 7"}


def test_2023(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    reviews = [
        {"user_id": u, "parent_asin": i, "asin": "variant", "rating": r, "timestamp": t * 1000 + 123}
        for i, u, r, t in dense_rows()
    ]
    entries = [
        {"parent_asin": e["asin"], "title": e["title"], "categories": e["category"], "store": e["brand"],
         "images": [{"variant": "PT01", "large": "later"}, {"variant": "MAIN", "large": f"l{e['asin']}"}]}
        for e in meta()
    ]  # fmt: skip
    (raw / "r.jsonl").write_text("\n".join(map(json.dumps, reviews)))
    (raw / "m.jsonl").write_text("\n".join(map(json.dumps, entries)))
    flags = ["--layout=amazon-2023", "--interactions=r.jsonl", "--items=m.jsonl"]
    assert run(raw, tmp_path, *flags) == 0
    rows = rows_of(tmp_path / "shop" / "shop.inter")
    assert rows[1]["timestamp:float"] == str(START + DAY)
    assert rows_of(tmp_path / "shop" / "shop.item")[1]["brand:token_seq"] == "Acme"


def test_2023_rating_only_csv(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = [f"{u},{i},{r},{t * 1000}" for i, u, r, t in dense_rows()]
    (raw / "r.csv").write_text("\n".join(["user_id,parent_asin,rating,timestamp", *lines]))
    (raw / "m.jsonl").write_text(
        "\n".join(json.dumps({"parent_asin": f"I{i}", "title": "T"}) for i in range(6))
    )
    assert run(raw, tmp_path, "--layout=amazon-2023", "--interactions=r.csv", "--items=m.jsonl") == 0
    assert len(rows_of(tmp_path / "shop" / "shop.inter")) == 48


def test_fields() -> None:
    assert text_of([["a", "b"], "c", None, {"d": 1}, 2]) == "a b c 2"
    assert first_link([], ["", "http://x"], "http://y") == "http://x"
    assert first_link(None, [], {"a": 1}) == ""

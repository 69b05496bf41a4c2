"""Interactions that cannot be used: counted and told, the rest is kept."""

import json
from pathlib import Path

import pytest

from tests.prepare.raw_files import AMAZON, DAY, START, dense_rows, meta, rows_of, run, skipped, write_amazon


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"I0,U0,5.0,yesterday", "interactions skipped: time is not a number"),
        (b"I0,U0,5.0,nan", "interactions skipped: time is not a number"),
        (b"I0,U0,5.0,1e300", "interactions skipped: time is not a number"),
        (b"I0,U0,5.0,", "interactions skipped: time is not a number"),
        (b"I0,U0,5.0,-5", "interactions skipped: time before 1970 or after 2100"),
        (b"I0,U0,5.0,1500000000000", "interactions skipped: time before 1970 or after 2100"),
        (b"I0,,5.0,1500000000", "interactions skipped: no user"),
        (b"I0,\xff\xfe,5.0,1500000000", "interactions skipped: user is not text in UTF-8 or a number"),
        (
            b"I0,U\t0,5.0,1500000000",
            "interactions skipped: user holds a control character, tab or line break",
        ),
        (b'I0,U"0,5.0,1500000000', "interactions skipped: user with a double quote"),
        (b'I"0,U0,5.0,1500000000', "interactions skipped: item with a double quote"),
        (b"I0,U0,5.0", "rows skipped: wrong number of columns"),
        (b"NO,U0,5.0,1500000000", "interactions dropped: item without metadata"),
    ],
)
def test_rating_lines(tmp_path: Path, line: bytes, reason: str) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    good = (raw / "ratings.csv").read_bytes()
    (raw / "ratings.csv").write_bytes(line + b"\n" + good)
    assert run(raw, tmp_path, *AMAZON) == 0
    assert skipped(tmp_path)[reason]["count"] == 1
    assert len(rows_of(tmp_path / "shop" / "shop.inter")) == 48


@pytest.mark.parametrize(
    ("line", "first"),
    [
        (b"NO,U0,5.0,1500000000", "user 'U0', item 'NO'"),
        (b"I0,U0,5.0,yesterday", "user 'U0', item 'I0', time 'yesterday'"),
        (b"I0,U\t0,5.0,1500000000", "user 'U\\t0', item 'I0'"),
        (b"I0,\xff,5.0,1500000000", "user '\ufffd', item 'I0'"),
    ],
)
def test_the_first_rating_skipped_is_named(tmp_path: Path, line: bytes, first: str) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    with (raw / "ratings.csv").open("ab") as file:
        file.write(line + b"\nNO" + line + b"\n")
    assert run(raw, tmp_path, *AMAZON) == 0
    assert f"ratings.csv line 49, {first}" in [told["first"] for told in skipped(tmp_path).values()]


def test_an_item_with_a_quote_is_in_neither_table(tmp_path: Path) -> None:
    rows = dense_rows(items=7)
    entries = [entry | {"asin": entry["asin"].replace("6", 'a"b')} for entry in meta(7)]
    raw = write_amazon(tmp_path / "raw", [(i.replace("6", 'a"b'), *row) for i, *row in rows], entries)
    assert run(raw, tmp_path, *AMAZON) == 0
    assert skipped(tmp_path)["interactions skipped: item with a double quote"]["count"] == 8
    assert len(rows_of(tmp_path / "shop" / "shop.item")) == 6


def test_a_lone_surrogate_in_a_review(tmp_path: Path) -> None:
    raw = write_amazon(tmp_path / "raw", [], [*meta(), {"asin": "\ud83d", "title": "odd"}])
    keys = ("asin", "reviewerID", "overall", "unixReviewTime")
    reviews = [
        dict(zip(keys, (item.replace("I5", "\ud83d"), *row), strict=True)) for item, *row in dense_rows()
    ]
    (raw / "reviews.json").write_text("\n".join(map(json.dumps, reviews)))
    assert run(raw, tmp_path, *AMAZON, "--interactions=reviews.json") == 0
    assert rows_of(tmp_path / "shop" / "shop.item")[0]["item_id:token"] == "?"


@pytest.mark.parametrize("rating", ["great", "1e400", "-1e39"])  # float32 ends before 1e39
def test_a_rating_that_is_none_stays_without_it(tmp_path: Path, rating: str) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    with (raw / "ratings.csv").open("ab") as file:
        file.write(f"I0,U0,{rating},{START + 99 * DAY}\n".encode())
    assert run(raw, tmp_path, *AMAZON) == 0
    rows = rows_of(tmp_path / "shop" / "shop.inter")
    assert len(rows) == 49
    assert not rows[6]["rating:float"]
    told = skipped(tmp_path)["ratings that are not numbers: left empty"]
    assert told == {"count": 1, "first": f"ratings.csv line 49, user 'U0', item 'I0', rating {rating!r}"}

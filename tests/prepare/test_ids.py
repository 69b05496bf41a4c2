"""One rule for ids: value by value, column by column, and the same from every kind of file."""

import json
import unicodedata
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.ids import CONTROL, LOST_DIGITS, NO_TEXT, SHORTENED, as_ids, id_text
from recbole_mmm4rec.prepare.ready_features import copy_features
from recbole_mmm4rec.prepare.tally import Tally
from recbole_mmm4rec.prepare.vectors import read_vectors
from tests.prepare.raw_files import rows_of, run, skipped

NFC, NFD = "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9")
TEXTS: list[tuple[Any, str | None, str | None]] = [
    ("a b", "a b", None),
    (" x\t", "x", None),
    ("007", "007", None),
    ("NA", "NA", None),
    ("nan", "nan", None),
    ("null", "null", None),
    (NFD, NFC, None),
    ("123.0", "123", None),
    ("-4.00", "-4", None),
    ("0.0", "0", None),
    ("007.0", "007.0", None),
    ("12.5", "12.5", None),
    ("4.006381333931e+12", "4006381333931", None),
    ("4.00638133393E+12", "4006381333930", None),
    ("1e+05", "100000", None),
    ("1e5", "1e5", None),
    ("12e4", "12e4", None),
    ("1.25e+01", "1.25e+01", None),
    ("4.00638E+12", None, SHORTENED),
    ("4.0063813339310001e+17", None, LOST_DIGITS),
    ("9007199254740994.0", None, LOST_DIGITS),
    ("a\tb", None, CONTROL),
    ("a\nb", None, CONTROL),
    ("", None, None),
    ("  ", None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("value", "token", "fault"), TEXTS)
def test_texts(value: str | None, token: str | None, fault: str | None) -> None:
    assert id_text(value) == (token, fault)
    ids, faults = as_ids(pa.array([value, "x", value], pa.string()))
    assert ids.to_pylist() == [token, "x", token]
    assert faults.to_pylist() == [fault, None, fault]


@pytest.mark.parametrize(
    ("value", "token", "fault"),
    [
        (7, "7", None),
        (np.int64(7), "7", None),
        (True, "true", None),
        (123.0, "123", None),
        (np.float32(123.0), "123", None),
        (4006381333931.0, "4006381333931", None),
        (2.0**53, "9007199254740992", None),
        (2.0**53 + 2, None, LOST_DIGITS),
        (float("inf"), None, LOST_DIGITS),
        (float("nan"), None, None),
        (-0.0, "0", None),
        (0.5, "0.5", None),
        (b"caf\xc3\xa9", NFC, None),
        (b"\xff", None, NO_TEXT),
        ("\ud83d", None, NO_TEXT),
        ([7], None, NO_TEXT),
        ({}, None, NO_TEXT),
    ],
)
def test_other_values(value: Any, token: str | None, fault: str | None) -> None:
    assert id_text(value) == (token, fault)


COLUMNS = {
    "int64": (pa.array([1, None, -3]), ["1", None, "-3"]),
    "uint64": (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
    "float64": (pa.array([1.0, float("nan"), None, 4006381333931.0]), ["1", None, None, "4006381333931"]),
    "float64 beyond": (pa.array([2.0**60, 0.5]), [None, "0.5"]),
    "float32": (pa.array([2.0**24, 2.0**24 + 2], pa.float32()), ["16777216", None]),
    "float16": (pa.array(np.array([5, 2049], np.float16)), ["5", "2048"]),
    "uuid": (
        pa.array([uuid.UUID(int=5).bytes, None], pa.binary(16)),
        ["00000000-0000-0000-0000-000000000005", None],
    ),
    "bytes": (pa.array([b"a", b"\xff", None]), ["a", None, None]),
    "fixed bytes": (pa.array([b"abc"], pa.binary(3)), ["abc"]),
    "categories": (pa.array(["a", NFD, None]).dictionary_encode(), ["a", NFC, None]),
    "categories of numbers": (pa.array([1.0, 2.0]).dictionary_encode(), ["1", "2"]),
    "large text": (pa.array(["1.0"], pa.large_string()), ["1"]),
    "decimal": (pa.array(["12.00"], pa.string()).cast(pa.decimal128(10, 2)), ["12"]),
    "truth": (pa.array([True, False]), ["true", "false"]),
    "lists": (pa.array([[1], None]), [None, None]),
    "null": (pa.nulls(2), [None, None]),
    "nothing": (pa.array([], pa.float64()), []),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name: str) -> None:
    column, expected = COLUMNS[name]
    ids, faults = as_ids(column)
    assert ids.to_pylist() == expected
    assert ids.type == faults.type == pa.string()


EANS = [4_006_381_333_931 + 10 * place for place in range(6)]


def _write(path: Path, column: str, ids: list[Any], more: dict[str, list[Any]]) -> None:
    columns = {column: ids, **more}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
        return
    rows = list(zip(*columns.values(), strict=True))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
        return
    delimiter = "\t" if path.suffix == ".tsv" else ","
    path.write_text("\n".join(delimiter.join(map(str, row)) for row in [tuple(columns), *rows]) + "\n")


@pytest.mark.parametrize("spelling", [int, float, str, lambda ean: f"{ean}.0", lambda ean: f"{ean:.12e}"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_integers_match_in_every_spelling(tmp_path: Path, suffix: str, spelling: Any) -> None:
    _write(tmp_path / "items.csv", "item_id", EANS, {"title": [f"T{ean}" for ean in EANS]})
    rows = {"user_id": ["u"] * 6, "ts": list(range(1_600_000_000, 1_600_000_006))}
    _write(tmp_path / f"log.{suffix}", "item_id", [spelling(ean) for ean in EANS], rows)
    flags = ["--layout=table", "--min_interactions=1", "--time_column=ts", f"--interactions=log.{suffix}"]
    assert run(tmp_path, tmp_path / "out", *flags) == 0
    found = [row["item_id:token"] for row in rows_of(tmp_path / "out" / "shop" / "shop.inter")]
    assert found == [str(ean) for ean in EANS]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_nan_is_nobody(tmp_path: Path, suffix: str) -> None:
    _write(tmp_path / "items.csv", "item_id", ["a"], {"title": ["T"]})
    users = [1.0, float("nan"), 2.0, float("nan")]
    _write(tmp_path / f"log.{suffix}", "user_id", users, {"item_id": ["a"] * 4, "ts": [1, 2, 3, 4]})
    flags = ["--layout=table", "--min_interactions=1", "--time_column=ts", f"--interactions=log.{suffix}"]
    assert run(tmp_path, tmp_path / "out", *flags) == 0
    users_kept = [row["user_id:token"] for row in rows_of(tmp_path / "out" / "shop" / "shop.inter")]
    assert users_kept == ["1", "2"]
    where = f"log.{suffix} {'row' if suffix == 'parquet' else 'line'} 2, user None, item 'a'"
    assert skipped(tmp_path / "out")["interactions skipped: no user"] == {"count": 2, "first": where}


def test_ids_that_spell_a_missing_value_are_told(tmp_path: Path) -> None:
    _write(tmp_path / "items.csv", "item_id", ["NA", "b"], {"title": ["T", "U"]})
    _write(tmp_path / "interactions.csv", "user_id", ["null", "nan", "u"], {"item_id": ["b", "b", "NA"]})
    assert run(tmp_path, tmp_path / "out", "--layout=table", "--min_interactions=1") == 0
    assert len(rows_of(tmp_path / "out" / "shop" / "shop.inter")) == 3
    told = skipped(tmp_path / "out")
    assert told["users called NA, nan, null or the like: taken as ids"] == {
        "count": 2, "first": "interactions.csv line 2, user 'null', item 'b'"
    }  # fmt: skip
    assert told["items called NA, nan, null or the like: taken as ids"]["count"] == 1


def test_leading_zeros_stay_and_what_they_part_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "items.csv", "item_id", ["00123", "b"], {"title": ["T", "U"]})
    pq.write_table(pa.table({"user_id": ["u", "u"], "item_id": [123, 123]}), tmp_path / "log.parquet")
    flags = ["--layout=table", "--min_interactions=1", "--interactions=log.parquet"]
    assert run(tmp_path, tmp_path / "out", *flags) == 2
    error = capsys.readouterr().err
    assert "no interaction is left of 2 rows" in error
    assert "only by leading zeros or capitals (1, first:" in error
    assert "'123' in the interactions, '00123' in the items" in error


@pytest.mark.parametrize(("user", "item"), [("[PAD]", "a"), ("u", "[PAD]")])
def test_the_pad_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], user: str, item: str) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\na,T\n")
    (tmp_path / "interactions.csv").write_text(f"user_id,item_id\nu,a\n{user},{item}\n")
    flags = ["--layout=table", "--min_interactions=1"]
    assert run(tmp_path, tmp_path / "out", *flags) == 2
    assert "error: interactions.csv line 3: the " in capsys.readouterr().err
    (tmp_path / "interactions.csv").write_text("user_id,item_id\nu,a\n")
    (tmp_path / "items.csv").write_text("item_id,title\na,T\n[PAD],T\n")
    assert run(tmp_path, tmp_path / "out", *flags) == 2
    assert "error: items.csv line 3: the item is [PAD]" in capsys.readouterr().err


def test_vectors_of_others_follow_the_rule(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", ids=np.array([4.006381333931e12, 7.0]), vectors=np.eye(2, dtype=np.float32))
    assert read_vectors(tmp_path / "v.npz")[0] == ["4006381333931", "7"]
    np.savez(tmp_path / "b.npz", ids=np.array([b"ab", b"c"]), vectors=np.eye(2, dtype=np.float32))
    assert read_vectors(tmp_path / "b.npz")[0] == ["ab", "c"]


def test_ready_vectors_follow_the_rule(tmp_path: Path) -> None:
    tokens = pa.array([NFD, "7.0", "x"])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6, dtype=np.float32)), 2)
    pq.write_table(pa.table({"item_id": tokens, "embedding": vectors}), tmp_path / "v.parquet")
    assert copy_features(tmp_path / "v.parquet", tmp_path, "shop", "text", ["7", NFC], Tally()) == 2
    table = pq.read_table(tmp_path / "shop.text.parquet").to_pydict()
    assert table == {"item_id": ["7", NFC], "embedding": [[2.0, 3.0], [0.0, 1.0]]}


def test_ready_vectors_of_zeros_stand_for_none(tmp_path: Path) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.float32([1, 2, 0, 0, 0, 0])), 2)
    pq.write_table(pa.table({"item_id": ["a", "b", "x"], "embedding": vectors}), tmp_path / "v.parquet")
    tally = Tally()
    assert copy_features(tmp_path / "v.parquet", tmp_path, "shop", "image", ["a", "b"], tally) == 1
    assert pq.read_table(tmp_path / "shop.image.parquet")["item_id"].to_pylist() == ["a"]
    assert tally.as_dict() == {"rows of zeros in v.parquet: no image vector": {"count": 1, "first": "item b"}}
    with pytest.raises(UserError, match="the rows of all items of shop are zeros"):
        copy_features(tmp_path / "v.parquet", tmp_path, "shop", "image", ["b"], Tally())

"""Any table: CSV and Parquet, columns by name, several kinds of times."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.prepare.sources import csv_blocks
from recbole_mmm4rec.prepare.sources.moments import as_milliseconds
from tests.prepare.raw_files import feature_rows, rows_of, run

FLAGS = ["--layout=table", "--min_interactions=1", "--text={name}", "--item_fields=[name]"]
COLUMNS = ["--user_column=who", "--item_column=what", "--time_column=at"]


def _items(folder: Path) -> None:
    (folder / "items.csv").write_text("what,name\na,Alpha\nb,Beta\n")


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        ("s", ["5", "2.9"], ["2", "5"]),
        ("ms", ["5000", "2999"], ["2", "5"]),
        ("us", ["5000000", "2000001"], ["2", "5"]),
        ("date", ["1970-01-01T00:00:05", "1970-01-01 00:00:02"], ["2", "5"]),
    ],
)
def test_csv_times(tmp_path: Path, unit: str, values: list[str], expected: list[str]) -> None:
    _items(tmp_path)
    (tmp_path / "log.csv").write_text(f"at;who;what\n{values[0]};u;a\n{values[1]};u;b\n")
    (tmp_path / "items.csv").write_text("what;name\na;Alpha\nb;Beta\n")
    flags = ["--interactions=log.csv", f"--time_unit={unit}", "--delimiter=;"]
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, *flags) == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.inter")
    assert [row["timestamp:float"] for row in rows] == expected
    assert [row["item_id:token"] for row in rows] == ["b", "a"]


def test_parquet_of_numbers_and_timestamps(tmp_path: Path) -> None:
    _items(tmp_path)
    stamps = pa.array([5_000, 2_000], pa.timestamp("ms"))
    pq.write_table(pa.table({"who": [7, 7], "what": ["a", "b"], "at": stamps}), tmp_path / "log.parquet")
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, "--interactions=log.parquet") == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.inter")
    assert rows[0] == {"user_id:token": "7", "item_id:token": "b", "timestamp:float": "2"}


def test_without_times_rows_keep_their_order_and_repeats(tmp_path: Path) -> None:
    _items(tmp_path)
    (tmp_path / "log.csv").write_text("who,what\nu,b\nv,a\nu,a\nu,b\n")
    flags = ["--user_column=who", "--item_column=what", "--interactions=log.csv"]
    assert run(tmp_path, tmp_path / "out", *FLAGS, *flags) == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.inter")
    assert [(row["user_id:token"], row["item_id:token"]) for row in rows] == [
        ("u", "b"), ("u", "a"), ("u", "b"), ("v", "a")
    ]  # fmt: skip


def test_a_missing_column_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _items(tmp_path)
    (tmp_path / "log.csv").write_text("who,what\nu,b\n")
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, "--interactions=log.csv") == 2
    assert "log.csv: no column at; it has who, what" in capsys.readouterr().err
    assert not (tmp_path / "out" / "shop").exists()


DAY = 1_577_836_800_000  # 2020-01-01


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01", DAY),
        ("2020-01-01T00:00:00.25", DAY + 250),
        ("2020-01-01 00:00:00.123456789", DAY + 123),
        ("2020-01-01T00:00:00Z", DAY),
        ("2020-01-01T02:00:00.123456+02:00", DAY + 123),
        ("2019-12-31 19:00:00-0500", DAY),
        ("9999-12-31T00:00:00", 253_402_214_400_000),
        ("2020-02-30", None),
        ("2020-01-01T00:00:00+99:00", None),
        ("1577836800", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_alone_and_in_a_mixed_column(text: str | None, expected: int | None) -> None:
    assert as_milliseconds(pa.array([text]), "date").to_pylist() == [expected]
    mixed = pa.array(["2020-01-01", text, "2020-01-01T01:00:00+01:00", "2020-13-01"])
    assert as_milliseconds(mixed, "date").to_pylist() == [DAY, expected, DAY, None]


def test_a_time_that_is_no_date_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _items(tmp_path)
    (tmp_path / "log.csv").write_text("who,what,at\nu,a,yesterday\n")
    flags = ["--interactions=log.csv", "--time_unit=date"]
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, *flags) == 2
    told = capsys.readouterr().err
    assert "time is not a date (2024-01-31, 20240131, " in told
    assert "log.csv line 2, user 'u', item 'a', time 'yesterday'" in told


@pytest.mark.parametrize("kind", [pa.time32("ms"), pa.duration("s")])
def test_a_time_of_day_is_no_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: pa.DataType
) -> None:
    _items(tmp_path)
    pq.write_table(
        pa.table({"who": ["u"], "what": ["a"], "at": pa.array([5], kind)}), tmp_path / "log.parquet"
    )
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, "--interactions=log.parquet") == 2
    assert f"log.parquet: time_column at holds no dates, but {kind}" in capsys.readouterr().err


def test_parquet_lists_are_joined(tmp_path: Path) -> None:
    names = pa.array([["Alpha", "One"], None])
    pq.write_table(pa.table({"what": ["a", "b"], "name": names}), tmp_path / "items.parquet")
    (tmp_path / "log.csv").write_text("who,what,at\nu,a,1\nu,b,2\n")
    flags = ["--interactions=log.csv", "--items=items.parquet"]
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, *flags) == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.item")
    assert [row["name:token_seq"] for row in rows] == ["Alpha One", ""]


def test_a_named_form_may_lack_a_field(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("what,title\na,Alpha\n")
    (tmp_path / "log.csv").write_text("who,what,at\nu,a,1\n")
    flags = [*FLAGS[:2], *COLUMNS, "--interactions=log.csv", "--text=title-category-brand"]
    assert run(tmp_path, tmp_path / "out", *flags) == 0


@pytest.mark.parametrize("token", ["a  b", "a\u00a0b"])
def test_a_token_is_the_same_everywhere(tmp_path: Path, token: str) -> None:
    (tmp_path / "items.csv").write_text(f"what,name\n{token},Alpha\nc,Beta\n")
    (tmp_path / "log.csv").write_text(f"who,what,at\nu,{token},1\nu,c,2\n")
    flags = ["--interactions=log.csv", "--text_encoder=hashed"]
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, *flags) == 0
    folder = tmp_path / "out" / "shop"
    for suffix in ("inter", "item"):
        assert {row["item_id:token"] for row in rows_of(folder / f"shop.{suffix}")} == {token, "c"}
    assert set(feature_rows(folder / "shop.text.parquet")) == {token, "c"}


def test_values_of_several_lines_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", 64)
    lines = [f'i{number},"Name\n\nof {number}"\n' for number in range(50)]
    (tmp_path / "items.csv").write_text("what,name\n" + "".join(lines))
    (tmp_path / "log.csv").write_text("who,what,at\n" + "".join(f"u,i{n},{n}\n" for n in range(50)))
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, "--interactions=log.csv") == 0
    names = {row["name:token_seq"] for row in rows_of(tmp_path / "out" / "shop" / "shop.item")}
    assert names == {f"Name of {number}" for number in range(50)}


@pytest.mark.parametrize(
    ("delimiter", "header", "row"),
    [
        (",", '"who, really",what,at', "u,{},1"),
        ("\\t", "\twho, really\twhat\tat\t", "0\tu\t{}\t1\t"),
        ("\t", "\ufeffwho, really\twhat\tat", "u\t{}\t1"),
        (";", '"who, really"; "what";at\r', "u;{};1\r"),
    ],
)
def test_headers_of_csv(tmp_path: Path, delimiter: str, header: str, row: str) -> None:
    pq.write_table(pa.table({"what": ["a", "b"], "name": ["Alpha", "Beta"]}), tmp_path / "items.parquet")
    (tmp_path / "log.csv").write_text("\n".join([header, row.format("a"), row.format("b"), ""]), newline="")
    files = ["--interactions=log.csv", "--items=items.parquet", f"--delimiter={delimiter}"]
    flags = [*FLAGS, *COLUMNS, "--user_column=who, really", *files]
    assert run(tmp_path, tmp_path / "out", *flags) == 0
    assert len(rows_of(tmp_path / "out" / "shop" / "shop.inter")) == 2


@pytest.mark.parametrize("delimiter", ["", "::", "\u00a7", '"', "\n"])
def test_a_delimiter_is_one_character(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], delimiter: str
) -> None:
    _items(tmp_path)
    (tmp_path / "log.csv").write_text("who,what,at\nu,a,1\n")
    flags = ["--interactions=log.csv", f"--delimiter={delimiter}"]
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, *flags) == 2
    assert f"error: delimiter: {delimiter!r} is not one ASCII character" in capsys.readouterr().err


EMPTY = pa.table({name: pa.array([], pa.string()) for name in ("who", "what", "at", "name")})


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
@pytest.mark.parametrize("content", ["", "who,what,at,name\n"])
@pytest.mark.parametrize("table", ["interactions", "items"])
def test_a_table_without_rows_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, content: str, table: str
) -> None:
    """Only the folder was named, or a number of 0 rows."""
    _items(tmp_path)
    (tmp_path / "log.csv").write_text("who,what,at\nu,a,1\n")
    path = tmp_path / f"empty.{kind}"
    if kind == "parquet" and content:
        pq.write_table(EMPTY, path)
    else:
        text = {"tsv": content.replace(",", "\t"), "jsonl": "\n" if content else ""}.get(
            kind, content
        ).encode()
        path.write_bytes(gzip.compress(text) if kind == "csv.gz" else text)
    files = {"interactions": "log.csv", table: path.name}
    flags = [*FLAGS, *COLUMNS, *(f"--{key}={name}" for key, name in files.items())]
    assert run(tmp_path, tmp_path / "out", *flags) == 2
    told = "no rows in it; " if content or kind == "jsonl" else "the file is empty"
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert told in error


def test_an_empty_table_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _items(tmp_path)
    (tmp_path / "log.csv").write_text("")
    assert run(tmp_path, tmp_path / "out", *FLAGS, *COLUMNS, "--interactions=log.csv") == 2
    assert "log.csv: has no header; the file is empty" in capsys.readouterr().err

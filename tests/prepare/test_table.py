"""Any table: CSV and Parquet, columns by name, several kinds of times."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.prepare.raw_files import rows_of, run

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

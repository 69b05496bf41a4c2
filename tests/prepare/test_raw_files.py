"""Which files a name means: all of a list, a pattern, a folder of parts; plain, gzip and zip."""

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.raw_files import find_files, is_there
from recbole_mmm4rec.prepare.settings import read_settings
from tests.prepare.raw_files import rows_of, run, skipped

FLAGS = ["--layout=table", "--min_interactions=1", "--time_column=ts"]


def _month(number: int) -> str:
    return "user_id,item_id,ts\n" + f"u{number},a,{number}\nu{number},b,{number + 1}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text("item_id,title\na,T\nb,U\n")
    for number in (1, 2, 3):
        (tmp_path / f"orders-{number}.csv").write_text(_month(number))
    return tmp_path


def _users(folder: Path, interactions: str, *flags: str) -> list[str]:
    assert run(folder, folder / "out", *FLAGS, f"--interactions={interactions}", "--overwrite", *flags) == 0
    rows = rows_of(folder / "out" / "shop" / "shop.inter")
    return list(dict.fromkeys(row["user_id:token"] for row in rows))


def test_lists_and_patterns(folder: Path) -> None:
    assert _users(folder, "[orders-3.csv, orders-1.csv]") == ["u3", "u1"]
    assert _users(folder, "orders-*.csv") == ["u1", "u2", "u3"]
    assert _users(folder, "[orders-3.csv, orders-*.csv]") == ["u3", "u1", "u2"]  # each once
    assert not [reason for reason in skipped(folder / "out") if "duplicate" in reason or "skipped" in reason]


@pytest.mark.parametrize("named", ["log", "log/part-*.csv", "log.zip"])
def test_numbered_parts_stand_in_the_order_of_their_numbers(folder: Path, named: str) -> None:
    (folder / "log").mkdir()
    with zipfile.ZipFile(folder / "log.zip", "w") as archive:
        for number in (10, 2, 1, 9):
            (folder / "log" / f"part-{number}.csv").write_text(_month(number))
            archive.write(folder / "log" / f"part-{number}.csv", f"part-{number}.csv")
    parts = find_files(folder, named, "interactions")
    assert [Path(part.member or part.path).name for part in parts] == [
        f"part-{number}.csv" for number in (1, 2, 9, 10)
    ]


def test_every_name_must_be_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names in ("[orders-1.csv, orders-9.csv]", "orders-9*.csv"):
        assert run(folder, folder / "out", *FLAGS, f"--interactions={names}") == 2
        assert "interactions missing, looked for orders-9" in capsys.readouterr().err
    assert not is_there(folder, ["orders-1.csv", "none.csv"])
    assert is_there(folder, "orders-*.csv")


def test_a_folder_of_parts(folder: Path) -> None:
    for month in (1, 2):
        part = folder / "log" / f"month={month}"
        part.mkdir(parents=True)
        table = pa.table({"user_id": [f"u{month}"] * 2, "item_id": ["a", "b"], "ts": [1, 2]})
        pq.write_table(table, part / "part-0.parquet")
        (part / ".part-0.parquet.crc").write_bytes(b"x")
    (folder / "log" / "_SUCCESS").touch()
    (folder / "log" / "_meta").mkdir()
    (folder / "log" / "_meta" / "x.parquet").write_bytes(b"x")
    assert _users(folder, "log") == ["u1", "u2"]
    assert _users(folder, "log/month=2") == ["u2"]
    part = folder / "log" / "month=1" / "part-0.parquet"
    part.with_suffix(".parquet.gz").write_bytes(gzip.compress(part.read_bytes()))
    part.unlink()
    assert _users(folder, "log") == ["u1", "u2"]


@pytest.mark.parametrize("named", ["log.csv", "log.csv.gz"])
def test_gzip(folder: Path, named: str) -> None:
    (folder / "log.csv.gz").write_bytes(gzip.compress(_month(1).encode()) + gzip.compress(b"u9,a,7\n"))
    assert _users(folder, named) == ["u1", "u9"]


@pytest.mark.parametrize("named", ["log.zip", "log"])
def test_zip(folder: Path, named: str) -> None:
    table = pa.table({"user_id": ["u7", "u7"], "item_id": ["a", "b"], "ts": [1, 2]})
    pq.write_table(table, folder / "p.parquet")
    with zipfile.ZipFile(folder / "log.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/", "")
        archive.writestr("export/a.csv", _month(1))
        archive.writestr("export/b.csv.gz", gzip.compress(_month(2).encode()))
        archive.write(folder / "p.parquet", "export/p.parquet")
        archive.writestr("__MACOSX/export/._a.csv", b"\0")
        archive.writestr("c.tsv", _month(3).replace(",", "\t"))
    assert _users(folder, named) == ["u3", "u1", "u2", "u7"]
    (folder / "bad.csv").write_text("user_id,item_id,ts\nu1\n")
    with zipfile.ZipFile(folder / "log.zip", "a") as archive:
        archive.write(folder / "bad.csv", "z.csv")
    assert _users(folder, named) == ["u3", "u1", "u2", "u7"]
    assert skipped(folder / "out")["rows skipped: wrong number of columns"]["first"] == "log.zip:z.csv line 2"


def test_zip_that_is_damaged_or_empty(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(folder / "log.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", _month(1) * 500)
    whole = bytearray((folder / "log.zip").read_bytes())
    whole[60] ^= 0xFF
    for content in (bytes(whole), b"PK\3\4 no"):
        (folder / "log.zip").write_bytes(content)
        assert run(folder, folder / "out", *FLAGS, "--interactions=log.zip") == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {folder}/log.zip: ")
        assert "damaged zip" in error or "cannot be unpacked" in error
        assert error.count("\n") == 1
    with zipfile.ZipFile(folder / "log.zip", "w") as archive:
        archive.writestr("folder/", "")
    with pytest.raises(UserError, match=r"log\.zip: a zip without files"):
        find_files(folder, "log.zip", "interactions")


def test_json_lines_as_a_table(folder: Path) -> None:
    lines = [
        '{"user_id": 7, "item_id": "a", "ts": 1600000000}',
        '{"user_id": 7.0, "item_id": "b", "ts": "1600000001"}',
        '{"user_id": null, "item_id": "b", "ts": 3}',
        '{"user_id": [1], "item_id": "b", "ts": 3}',
        '{"item_id": "b", "ts": 3}',
        "oops",
        "[" * 100_000,
        "",
        '{"user_id": 7, "item_id": "a", "ts": true}',
    ]
    (folder / "log.jsonl").write_text("\n".join(lines))
    (folder / "items.ndjson").write_text(
        '{"item_id": "a", "title": ["T", "U"]}\n{"item_id": "b", "title": null}\n'
    )
    assert _users(folder, "log.jsonl", "--items=items.ndjson") == ["7"]
    told = skipped(folder / "out")
    assert told["interactions skipped: no user"]["count"] == 3
    assert told["lines skipped: not a JSON object"] == {"count": 2, "first": "log.jsonl line 6"}
    assert told["interactions skipped: time is not a number"]["count"] == 1
    titles = [row["title:token_seq"] for row in rows_of(folder / "out" / "shop" / "shop.item")]
    assert titles == ["T U", ""]


def test_json_lines_without_a_column(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "log.jsonl").write_text('{"user": 7, "item_id": "a", "ts": 1600000000}\n')
    assert run(folder, folder / "out", *FLAGS, "--interactions=log.jsonl") == 2
    assert "log.jsonl: no column user_id; it has item_id, ts, user" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ['[{"item_id": "a"},\n{"item_id": "b"}]\n', '\n\ufeff[\n {\n  "item_id": "a"}\n]\n']
)
@pytest.mark.parametrize("kind", ["interactions", "items"])
def test_a_json_array_is_no_json_lines(
    folder: Path, capsys: pytest.CaptureFixture[str], kind: str, text: str
) -> None:
    """Its lines were skipped one by one, and the last object could be all that was kept."""
    (folder / "log.json").write_text(text)
    files = {"interactions": "orders-1.csv", "items": "items.csv", kind: "log.json"}
    assert run(folder, folder / "out", *FLAGS, *(f"--{key}={name}" for key, name in files.items())) == 2
    line = 2 if text.startswith("\n") else 1
    told = f"error: {folder / 'log.json'}: line {line} begins a JSON array; write one object a line, as jq"
    assert capsys.readouterr().err.startswith(told)


def test_a_python_literal_with_other_keys(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sorting the names of the columns was a traceback."""
    (folder / "log.jsonl").write_text('{"user": 7, "item_id": "a"}\n{1: "a", "item_id": "b"}\n')
    assert run(folder, folder / "out", *FLAGS, "--interactions=log.jsonl") == 2
    assert "log.jsonl: no column user_id, ts; it has 1, item_id, user" in capsys.readouterr().err


def test_a_deeply_nested_list_is_a_text(folder: Path) -> None:
    """It was a traceback of 2,000 lines."""
    title = "[" * 600 + '"T", 1, [], ["", "U"]' + "]" * 600
    (folder / "items.ndjson").write_text(f'{{"item_id": "a", "title": {title}}}\n')
    (folder / "log.csv").write_text("user_id,item_id,ts\n7,a,1600000000\n")
    assert _users(folder, "log.csv", "--items=items.ndjson") == ["7"]
    assert rows_of(folder / "out" / "shop" / "shop.item")[0]["title:token_seq"] == "T 1 U"


def test_publishers_files_under_either_name(tmp_path: Path) -> None:
    for name in ("Arts_Crafts_and_Sewing.csv", "ratings_Arts_Crafts_and_Sewing.csv.gz"):
        for old in tmp_path.iterdir():
            old.unlink()
        (tmp_path / name).touch()
        settings = read_settings("amazon-2018-arts", tmp_path, {})
        assert settings.interactions == name.removesuffix(".gz")
        assert settings.items == "meta_Arts_Crafts_and_Sewing.json"

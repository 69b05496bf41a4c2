"""CSV files: stray quotation marks, values of several lines, encodings, and every row accounted for."""

import csv
import io
import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.raw_files import RawFile
from recbole_mmm4rec.prepare.sources import csv_blocks
from recbole_mmm4rec.prepare.sources.columns import as_text
from recbole_mmm4rec.prepare.sources.csv_rows import LOOK_LIKE_ROWS, STRAY
from recbole_mmm4rec.prepare.sources.tables import LINE, read_table
from recbole_mmm4rec.prepare.tally import RowCount, Tally
from tests.prepare.raw_files import feature_rows, rows_of, run, skipped

WRONG = "rows skipped: wrong number of columns"
CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not beside the repository")


def _read(path: Path, columns: list[str], encoding: str = "utf-8") -> tuple[list[tuple[str, ...]], RowCount]:
    """Rows with their lines, everything as trimmed text, and the count."""
    rows = Tally().rows("interactions")
    found: list[tuple[str, ...]] = []
    for batch in read_table(RawFile(path, path.name), columns, rows, encoding=encoding):
        found += zip(*(as_text(batch.column(name)).to_pylist() for name in [*columns, LINE]), strict=True)
    rows.keep(len(found))  # raises where a row was lost without a word
    return found, rows


def _told(rows: RowCount) -> dict[str, tuple[int, str]]:
    tally = rows._tally
    return {reason: (count, tally.first[reason]) for reason, count in tally.counts.items()}


HEADER = "user,item,comment\n"


@pytest.mark.parametrize(
    ("body", "users", "told"),
    [
        # opened and never closed
        ('u1,i,ok\nu2,i,"great\nu3,i,ok\nu4,i,ok\n', "u1 u2 u3 u4", {STRAY: (1, "x.csv line 3")}),
        # the next opening mark seems to close it
        ('u1,i,"great\nu2,i,b\nu3,i,"fine, ok"\nu4,i,d\n', "u1 u2 u3 u4", {STRAY: (1, "x.csv line 2")}),
        # closed in the middle of the value
        ('u1,i,"12" pipe\nu2,i,b\n', "u1 u2", {STRAY: (1, "x.csv line 2")}),
        # every line has one
        ('u1,i,"a\nu2,i,"b\nu3,i,"c\n', "u1 u2 u3", {STRAY: (3, "x.csv line 2")}),
        # a mark inside a value that none encloses is an ordinary character
        ('u1,i,12" pipe\nu2,i,5"\n', "u1 u2", {}),
        # the first value swallows the others, so that the width is wrong
        ('u1,"i,a\nu2,i,b\nu3,i,c"\nu4,i,d\n', "u1 u2 u3 u4", {STRAY: (1, "x.csv line 2")}),
        # a value over many lines that are all rows
        (
            'u0,i,"a\n' + "".join(f"u{n},i,b\n" for n in range(1, 6)) + 'u6,i,c"\n',
            "u0 u1 u2 u3 u4 u5 u6",
            {STRAY: (1, "x.csv line 2")},
        ),
        # two lines that are rows by their numbers as well
        ('u1,1,"a\nu2,2,b\nu3,3,c"\nu4,4,d\n', "u1 u2 u3 u4", {STRAY: (1, "x.csv line 2")}),
        ('u1,1,"a\nred, green, c"\nu4,4,d\n', "u1 u4", {LOOK_LIKE_ROWS: (1, "x.csv line 3")}),
        # two lines that are rows by their codes, of one form or of one length
        ('u1,i1,"a\nu22,i3,b\nu3,i4,c"\nu4,i5,d\n', "u1 u22 u3 u4", {STRAY: (1, "x.csv line 2")}),
        ('B0A1,x,"a\nB00A,x,c"\nu4,i,d\n', "B0A1 B00A u4", {STRAY: (1, "x.csv line 2")}),
        # words say nothing: such lines are skipped and named
        (
            'ann,tea,"a\nbob,tea,b\neve,tea,c"\njoe,tea,d\n',
            "ann joe",
            {LOOK_LIKE_ROWS: (2, "x.csv lines 3 to 4")},
        ),
        (
            'ann,tea,"a\nbob,tea,b\n\neve,tea,c\nend"\njoe,tea,d\n',
            "ann joe",
            {LOOK_LIKE_ROWS: (2, "x.csv lines 3, 5")},
        ),
        # one line like a row: it may be a text, and is told
        ('u1,i,"soft\nred, green, blue\nend"\nu2,i,b\n', "u1 u2", {LOOK_LIKE_ROWS: (1, "x.csv line 3")}),
        # values of several lines, with doubled marks and delimiters
        ('u1,i,"a\n\nb ""c"", d"\n\n\nu2,i,"x\r\ny"\n', "u1 u2", {}),
        # rows of another width
        ("u1,i\nu2,i,b\nu3,i,b,c\nu4,i,d", "u2 u4", {WRONG: (2, "x.csv line 2")}),
        # a stray mark in a row of the wrong width
        ('u1,i,"a,b\nu2,i,b\n', "u2", {STRAY: (1, "x.csv line 2"), WRONG: (1, "x.csv line 2")}),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_row_is_kept_or_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    users: str,
    told: dict[str, tuple[int, str]],
    size: int,
    ending: str,
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", size)
    text = (HEADER + body.replace("\r\n", "\n")).replace("\n", ending)
    (tmp_path / "x.csv").write_text(text, newline="")
    found, rows = _read(tmp_path / "x.csv", ["user", "comment"])
    assert [user for user, *_ in found] == users.split()
    assert _told(rows) == told


def test_a_column_that_is_not_read_swallows_nothing(tmp_path: Path) -> None:
    lines = [f"u{n},i{n % 7},c\n" for n in range(2_400)]
    lines[1_000] = 'u1000,i6,"c\n'
    (tmp_path / "x.csv").write_text(HEADER + "".join(lines))
    found, rows = _read(tmp_path / "x.csv", ["user", "item"])
    assert [user for user, *_ in found] == [f"u{n}" for n in range(2_400)]
    assert [int(line) for *_, line in found] == list(range(2, 2_402))
    assert _told(rows) == {STRAY: (1, "x.csv line 1002")}


@pytest.mark.parametrize("seed", range(30))
def test_fast_blocks_against_the_plain_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    letters = [
        "a",
        "b",
        " ",
        "\u00e9",
        ",",
        "\n",
        "\n",
        "\r\n",
        "\x0b",
        "\u2028",
        *(['"'] if seed % 3 == 0 else []),
    ]
    body = "".join(draw.choice(letters) + draw.choice(["x,y,z\n", "", "", ","]) for _ in range(300))
    (tmp_path / "x.csv").write_text(HEADER + body, newline="", encoding="utf-8")
    monkeypatch.setattr(csv_blocks, "BLOCK", draw.choice([5, 60, 4_000]))
    found, rows = _read(tmp_path / "x.csv", ["user", "item", "comment"])
    monkeypatch.setattr(csv_blocks.CsvTable, "_plain", lambda *_: None)
    slow, slow_rows = _read(tmp_path / "x.csv", ["user", "item", "comment"])
    assert found == slow
    assert _told(rows) == _told(slow_rows)
    if seed % 3:
        twin = [row for row in csv.reader(io.StringIO(body, newline="")) if len(row) == 3]
        assert [row[:3] for row in found] == [tuple(value.strip() for value in row) for row in twin]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "user,item,comment\r\nu\u00e9,i,caf\u00e9\r\nv,i,\r\n"
    (tmp_path / "x.csv").write_bytes(text.encode(encoding))
    marked = encoding in ("utf-8-sig", "utf-16", "utf-32")
    found, _ = _read(tmp_path / "x.csv", ["user", "comment"], "utf-8" if marked else encoding)
    assert [row[:2] for row in found] == [("u\u00e9", "caf\u00e9"), ("v", "")]


def test_utf_16_without_a_mark_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("user,item\nu,i\n".encode("utf-16-le"))
    with pytest.raises(UserError, match=r"x\.csv: NUL characters in the header; UTF-16\?"):
        _read(tmp_path / "x.csv", ["user"])


def test_damaged_utf_16_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("\ufeffuser,item\nu,i\n".encode("utf-16-le") + b"\x00\xd8\x41\x00")
    with pytest.raises(UserError, match=r"x\.csv: not text in the encoding utf-16"):
        _read(tmp_path / "x.csv", ["user"])


def test_bytes_that_are_not_in_the_encoding_are_told(tmp_path: Path) -> None:
    items = "item_id,title\n" + "".join(f"i{n},caf\u00e9 {n}\n" for n in range(3))
    (tmp_path / "items.csv").write_bytes(items.encode("cp1252"))
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n" + "".join(f"u,i{n}\n" for n in range(3)))
    flags = ["--layout=table", "--min_interactions=1", "--text={title}"]
    assert run(tmp_path, tmp_path / "out", *flags) == 0
    reason = "values of title that are not UTF-8: those bytes are lost (--encoding=cp1252?)"
    assert skipped(tmp_path / "out")[reason] == {"count": 3, "first": "items.csv line 2"}
    assert run(tmp_path, tmp_path / "out", *flags, "--encoding=cp1252", "--overwrite") == 0
    assert reason not in skipped(tmp_path / "out")
    titles = [row["title:token_seq"] for row in rows_of(tmp_path / "out" / "shop" / "shop.item")]
    assert titles == ["caf\u00e9 0", "caf\u00e9 1", "caf\u00e9 2"]


@pytest.mark.parametrize("encoding", ["utf-9", "base64", ""])
def test_an_encoding_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], encoding: str) -> None:
    assert run(tmp_path, tmp_path / "out", "--layout=table", f"--encoding={encoding}") == 2
    assert f"error: encoding: {encoding!r} is not a known encoding" in capsys.readouterr().err


def test_a_byte_in_a_row_of_the_wrong_width(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"user,item\nu1,i\nu\xff,i,3\nu2,i\n")
    found, rows = _read(tmp_path / "x.csv", ["user"])
    assert [user for user, _ in found] == ["u1", "u2"]
    assert _told(rows) == {WRONG: (1, "x.csv line 3")}


def test_names_of_columns_over_lines_with_colons_and_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "items.csv").write_text('"item\n id",shop:name,rating\ni1,T,x\ni2,U,y\n')
    (tmp_path / "interactions.csv").write_text('user_id,"item\nid"\nu,i1\nu,i2\n')
    flags = ["--layout=table", "--min_interactions=1", "--item_column=item id"]
    fields = ["--item_fields=[shop:name, rating]", "--text={shop:name} {rating}"]
    assert run(tmp_path, tmp_path / "out", *flags, *fields) == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.item")
    assert rows[0] == {"item_id:token": "i1", "shop_name:token_seq": "T", "item_rating:token_seq": "x"}
    assert "'shop:name' is the column shop_name" in caplog.text
    (tmp_path / "interactions.csv").write_text("user_id,item id,item id\nu,i1,i2\n")
    assert run(tmp_path, tmp_path / "two", *flags, *fields) == 2
    assert "interactions.csv: the column item id is there twice" in capsys.readouterr().err


def test_rows_are_an_identity_that_is_checked_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\na,T\na,U\nb,V\n,W\nc\nd,X\n")
    rows = "u,a,1\nu,a,1\nu,b,2\nv,a,3\nv,z,4\n,a,5\nu,a\nu,b,soon\n"
    (tmp_path / "interactions.csv").write_text("user_id,item_id,ts\n" + rows)
    flags = ["--layout=table", "--min_interactions=2", "--time_column=ts", "--text={title}"]
    (tmp_path / "interactions.csv").write_text("user_id,item_id,ts\n" + rows + "v,b,9\n")
    assert run(tmp_path, tmp_path / "out", *flags) == 0
    record = json.loads((tmp_path / "out" / "shop" / "shop.prepare.json").read_text())
    assert record["rows"] == {
        "items": {"read": 6, "kept": 2, "skipped": 4},
        "interactions": {"read": 9, "kept": 4, "skipped": 5},
    }
    assert "interactions: 9 rows read = 4 kept + 5 skipped" in caplog.text
    assert "items: 6 rows read = 2 kept + 4 skipped" in caplog.text


def test_a_row_lost_without_a_word_is_a_fault() -> None:
    rows = Tally().rows("interactions")
    rows.met(3)
    rows.skip("odd", "x")
    with pytest.raises(RuntimeError, match="interactions: 3 rows read = 1 kept \\+ 1 skipped"):
        rows.keep(1)


@needs_cases
def test_the_cases(tmp_path: Path) -> None:
    found, rows = _read(CASES / "stray-quote" / "a.csv", ["user", "time"])
    assert [user for user, *_ in found] == ["u1", "u1", "u2", "u3", "u4"]
    found, rows = _read(CASES / "stray-quote" / "b2.csv", ["item", "name"])
    assert [row[:2] for row in found] == [("i1", '"12" pipe'), ("i2", "n2"), ("i3", "n3")]
    found, rows = _read(CASES / "csv-byte" / "a.csv", ["user"])
    assert _told(rows) == {WRONG: (1, "a.csv line 3")}
    found, rows = _read(CASES / "mutated" / "csv-items-64f0d769", ["item", "name"])
    assert [row[0] for row in found] == ["i0", "i1", "i3", "i4", "i5", "i6"]
    assert _told(rows)[WRONG] == (2, "csv-items-64f0d769 line 4")


@needs_cases
@pytest.mark.parametrize(
    ("case", "file", "rows"),
    [
        ("cp1252", "csv", 72),
        ("na_tokens", "csv", 72),
        ("s_as_ms", "csv", 72),
        ("uuid_parquet", "parquet", 72),
    ],
)
def test_whole_cases(tmp_path: Path, case: str, file: str, rows: int) -> None:
    flags = ["--layout=table", "--time_column=ts", "--min_interactions=1", "--text={title}"]
    source = CASES / case / "raw"
    assert run(source, tmp_path, *flags, f"--interactions=interactions.{file}") == 0
    assert len(rows_of(tmp_path / "shop" / "shop.inter")) == rows


@needs_cases
@pytest.mark.parametrize("log", ["interactions.parquet", "interactions_f.parquet"])
@pytest.mark.parametrize("items", ["it.csv", "items.parquet"])
def test_ids_that_became_floats(tmp_path: Path, log: str, items: str) -> None:
    flags = ["--layout=table", "--time_column=ts", "--min_interactions=1", "--text={title}"]
    files = [f"--interactions={log}", f"--items={items}", "--pictures=photos", "--image_encoder=pixels"]
    assert run(CASES / "float_ids_parquet" / "raw", tmp_path, *flags, *files) == 0
    rows = rows_of(tmp_path / "shop" / "shop.inter")
    assert len(rows) == 72
    assert rows[0]["item_id:token"] == "4006381333931"
    assert len(feature_rows(tmp_path / "shop" / "shop.image.parquet")) == 8


@needs_cases
def test_a_pad_among_the_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--layout=table", "--time_column=ts", "--min_interactions=1", "--text={title}"]
    assert run(CASES / "pad_token" / "raw", tmp_path, *flags) == 2
    assert "error: items.csv line 17: the item is [PAD], which RecBole keeps" in capsys.readouterr().err


def test_strings_become_bytes_only_where_they_must() -> None:
    assert csv_blocks.strings(["a", None]).type == pa.string()
    assert csv_blocks.strings(["a", "\udcff"]).to_pylist() == [b"a", b"\xff"]

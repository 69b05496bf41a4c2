"""Interactions sorted on disk: the same bytes and messages as in memory, and nothing left behind."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.core import core, in_time_order, without_duplicates
from recbole_mmm4rec.prepare.interactions import COLUMNS, Columns, Interactions
from recbole_mmm4rec.prepare.large import choice, column_files, duck, filters
from recbole_mmm4rec.prepare.large.choice import available, memory_of
from recbole_mmm4rec.prepare.large.passes import core_counts, without_repeats
from recbole_mmm4rec.prepare.large.tokens import TokenFile
from tests.prepare.raw_files import AMAZON, dense_rows, meta, run, write_amazon

Maker = Callable[[Path, np.random.Generator], list[str]]


def _lines(rng: np.random.Generator, rows: int = 900) -> list[tuple[str, ...]]:
    """User, item, rating, time: few times and ratings, so that there are ties, duplicates and oddities."""
    users = [f"U{int(value)}" for value in rng.integers(0, 90, rows) ** 2 // 90]
    items = [f"I{int(value)}" for value in rng.integers(0, 60, rows) ** 2 // 60]
    ratings = rng.choice(["1", "2.5", "", "great", "nan", "-0.0", "0.0"], rows).tolist()
    times = rng.choice(["1500000000", "1500000000.25", "1500000001", "1400000000", "never"], rows).tolist()
    users[5], users[17], items[20], users[40] = "", "Ü", "NA", 'a"b'
    return list(zip(users, items, ratings, times, strict=True))


def _write(path: Path, lines: list[tuple[str, ...]], header: str = "user,item,rating,time") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(line) for line in lines)]) + "\n")


TABLE = ["--layout=table", "--user_column=user", "--item_column=item", "--text=~"]
TIMED = [*TABLE, "--rating_column=rating", "--time_column=time"]


def _table(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", _lines(rng))
    return [*TIMED, "--items=~", "--min_interactions=3"]


def _with_metadata(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", _lines(rng))
    _write(folder / "items.csv", [(f"I{n}", f"Thing {n}") for n in range(40)], "item,title")
    return [*TIMED, "--item_fields=[title]", "--text={title}", "--text_encoder=hashed"]


def _several_files(folder: Path, rng: np.random.Generator) -> list[str]:
    for part in range(3):
        _write(folder / f"part-{part}.csv", _lines(rng, 300))
    return [*TIMED, "--items=~", "--interactions=part-*.csv", "--min_interactions=4"]


def _without_times(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", _lines(rng))
    return [*TABLE, "--items=~", "--rating_column=rating", "--min_interactions=2"]


def _without_times_and_ratings(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", _lines(rng))
    return [*TABLE, "--items=~", "--min_interactions=1"]


def _parquet(folder: Path, rng: np.random.Generator) -> list[str]:
    folder.mkdir(parents=True)
    columns = {
        "user": pa.array(rng.integers(0, 50, 900)),
        "item": pa.array(rng.integers(0, 30, 900).astype(np.float64)),
        "time": pa.array(rng.integers(1_500_000_000, 1_500_000_003, 900)),
    }
    pq.write_table(pa.table(columns), folder / "interactions.parquet", row_group_size=100)
    return [*TABLE, "--items=~", "--interactions=interactions.parquet", "--time_column=time"]


def _amazon(folder: Path, rng: np.random.Generator) -> list[str]:
    rows = [row for row in dense_rows(20, 9) if rng.random() < 0.7]
    write_amazon(folder, [*rows, *rows[::7]], meta(8), zipped=True)
    return AMAZON


def _days(folder: Path, rng: np.random.Generator) -> list[str]:
    lines = [(*row[:3], f"2020-01-0{rng.integers(1, 4)}") for row in _lines(rng)]
    _write(folder / "interactions.csv", lines)
    return [*TIMED, "--time_unit=date", "--items=~", "--min_interactions=4"]


def _days_with_duplicates(folder: Path, rng: np.random.Generator) -> list[str]:
    return [*_days(folder, rng), "--keep_duplicates=True"]


def _everything_in_1970(folder: Path, rng: np.random.Generator) -> list[str]:
    lines = [(user, item, "1", "7") for user, item, *_ in _lines(rng) if user]
    _write(folder / "interactions.csv", lines)
    return [*TIMED, "--items=~", "--min_interactions=1"]


def _too_short(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", [("a", "x", "1", "1500000000"), ("b", "x", "1", "1500000000")])
    return [*TIMED, "--items=~", "--min_interactions=1"]


def _nothing_left(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", _lines(rng))
    return [*TIMED, "--items=~", "--min_interactions=500"]


def _nothing_usable(folder: Path, rng: np.random.Generator) -> list[str]:
    _write(folder / "interactions.csv", [("a", "x", "1", "never")])
    return [*TIMED, "--items=~"]


CASES = [
    _table, _with_metadata, _several_files, _without_times, _without_times_and_ratings, _parquet, _amazon,
    _days, _days_with_duplicates, _everything_in_1970, _too_short, _nothing_left, _nothing_usable,
]  # fmt: skip


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Decide whether the interactions are said to fit into memory."""

    def decide(wanted: bool) -> None:
        monkeypatch.setattr(choice, "needed", lambda files: 10**15 if wanted else 0)

    return decide


@pytest.mark.parametrize("chunk", [7, 1 << 20])
@pytest.mark.parametrize("case", CASES)
def test_the_same_as_in_memory(
    tmp_path: Path,
    case: Maker,
    chunk: int,
    on_disk: Callable[[bool], None],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags = case(tmp_path / "raw", np.random.default_rng(2))
    for module in (column_files, filters):
        monkeypatch.setattr(module, "CHUNK", chunk)
    seen = []
    for wanted, place in ((False, "held in memory"), (True, "sorted on disk")):
        on_disk(wanted)
        caplog.clear()
        output = tmp_path / f"out [{wanted}] it's*"  # DuckDB takes some of these for patterns
        code = run(tmp_path / "raw", output, *flags, "--memory=1GB")
        lines = caplog.text.replace(str(output), "").splitlines()
        (told,) = [line for line in lines if place in line]
        lines.remove(told)
        files = {path.name: path.read_bytes() for path in output.rglob("*") if path.is_file()}
        cached = [path.name for path in output.glob(".shop.partial/cache/*")]
        assert "sorting" not in cached
        seen.append((code, [line.split(" ", 2)[-1] for line in lines], capsys.readouterr().err, files))
    assert seen[0] == seen[1]
    assert seen[0][0] == (2 if case in (_nothing_left, _nothing_usable) else 0)


def _rows(rng: np.random.Generator, count: int, ratings: list[float]) -> Interactions:
    numbers = (rng.integers(0, top, count) for top in (30, 20, 3))
    user, item, time = (column.astype(np.int32) for column in numbers)
    rating = rng.choice(np.array(ratings, np.float32), count)
    return Interactions(user, item, rating, time.astype(np.int64), pa.array(["u"] * 30), pa.array(["i"] * 20))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("chunk", [1, 2, 13, 1000])
def test_passes_against_the_filters_in_memory(seed: int, chunk: int) -> None:
    data = in_time_order(_rows(np.random.default_rng(seed), 400, [1.0, np.nan, 0.0, -0.0]))
    unique = without_duplicates(data)
    chunks = (
        Columns(*(getattr(data, name)[start : start + chunk] for name in COLUMNS))
        for start in range(0, len(data), chunk)
    )
    found = list(without_repeats(chunks))
    for name in COLUMNS:
        together = np.concatenate([getattr(part, name) for part in found])
        assert together.tobytes() == getattr(unique, name).tobytes()
    for least in (1, 4, 15, 90):
        kept = core(unique, least)
        counts = core_counts(
            lambda: ([part.user, part.item] for part in found), unique.user_counts, unique.item_counts, least
        )
        assert [column.tolist() for column in counts] == [
            kept.user_counts.tolist(),
            kept.item_counts.tolist(),
        ]


def test_tokens_of_a_part_of_the_file(tmp_path: Path) -> None:
    names = [f"t{n}" for n in range(1000)]
    pq.write_table(pa.table({"user": names}), tmp_path / "t.parquet", row_group_size=64)
    tokens = TokenFile(tmp_path / "t.parquet")
    assert len(tokens) == 1000
    for codes in ([0], [999], [63, 64], [500, 480, 700], [128, 191]):
        assert tokens.take(np.array(codes)).to_pylist() == [names[code] for code in codes]
    assert tokens.all().to_pylist() == names


@pytest.mark.parametrize(
    ("text", "amount"), [("4GB", 4 * 10**9), ("1.5 GiB", 3 << 29), ("2000mb", 2 * 10**9), ("2tb", 2 * 10**12)]
)
def test_amounts(text: str, amount: int) -> None:
    assert memory_of(text) == amount


@pytest.mark.parametrize("text", ["4", "GB", "four GB", "4 apples", "-4GB", "1MB", "0GB", "1e3GB"])
def test_amounts_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    assert run(raw, tmp_path, *AMAZON, f"--memory={text}") == 2
    assert capsys.readouterr().err.startswith("error: --memory: ")
    assert not list(tmp_path.glob("*shop*"))


def test_what_is_held_where(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without --memory nothing is said of interactions that fit."""
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    assert run(raw, tmp_path, *AMAZON) == 0
    assert "memory" not in caplog.text
    assert run(raw, tmp_path, *AMAZON, "--memory=1GB", "--overwrite") == 0
    told = "raw: the interactions need about 0.4 GB in memory, and 1.0 GB may be used: held in memory"
    assert told in caplog.text


def test_the_estimate(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv.gz", "c.parquet", "d.jsonl", "e.zip")]
    for path in paths:
        path.write_bytes(b"x" * 10**6)
    base = choice.needed([])
    grown = [choice.needed([choice.RawFile(path, path.name)]) - base for path in paths]
    assert grown == [4 * 10**6, 16 * 10**6, 16 * 10**6, 10**6, 4 * 10**6]
    members = [choice.RawFile(paths[4], name, name) for name in ("x.csv", "y.csv")]
    assert choice.needed(members) - base == 16 * 10**6


def test_a_control_group_with_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_CGROUP", tmp_path)
    free = available()
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("5000\n")
    assert available() == 4000
    (tmp_path / "memory.max").write_text("max\n")
    assert available() > min(free // 2, 4000)


def test_without_duckdb(
    tmp_path: Path,
    on_disk: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    on_disk(True)
    assert run(raw, tmp_path, *AMAZON, "--memory=4GB") == 2
    told = "error: --memory needs duckdb, which is not installed: pip install 'recbole-mmm4rec[large]'\n"
    assert capsys.readouterr().err == told
    assert run(raw, tmp_path, *AMAZON) == 0
    assert "held in memory all the same" in caplog.text


def test_too_little_memory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--memory: too little"), duck.duck_db(tmp_path, 10**6) as base:
        base.run("CREATE TABLE t AS SELECT range::VARCHAR AS a FROM range(3000000) ORDER BY hash(range)", "t")


def test_other_errors_of_duckdb_are_faults_of_ours(tmp_path: Path) -> None:
    with pytest.raises(duckdb.ParserException), duck.duck_db(tmp_path, 10**8) as base:
        base.run("SELEC", "t")


def test_no_room(tmp_path: Path, on_disk: Callable[[bool], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Each file in turn is the first that does not fit: one line, and the sorted files are gone."""
    _write(tmp_path / "raw" / "interactions.csv", _lines(np.random.default_rng(1), 30_000))
    on_disk(True)
    limits, codes = resource.getrlimit(resource.RLIMIT_FSIZE), []
    for size in (1_000, 60_000, 130_000, 200_000, 10**9):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            codes.append(run(tmp_path / "raw", tmp_path, *TIMED, "--items=~", "--memory=1GB"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        told = capsys.readouterr().err
        if codes[-1]:
            assert told.startswith(f"error: {tmp_path / 'shop'}: no room to write it")
            assert told.count("\n") == 1
            assert not (tmp_path / ".shop.partial" / "cache" / "sorting").exists()
    assert codes[:2] == [2, 2]
    assert codes[-1] == 0


def test_ctrl_c_in_the_middle_of_a_query(tmp_path: Path) -> None:
    """The query is one of minutes; the command ends within seconds, and its files are gone."""
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    numbers = "range(1000000) a, range(100000) b"
    slow = f"COPY (SELECT hash(a.range * b.range) AS h FROM {numbers} ORDER BY h) TO {{tokens}}"
    program = (
        "import signal, sys\n"
        "from recbole_mmm4rec.prepare.large import choice, filters\n"
        "from recbole_mmm4rec.prepare.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "choice.needed = lambda files: 10**15\n"
        f"filters._NUMBER = {slow!r}\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    flags = ["shop", f"--source={raw}", f"--output={tmp_path}", *AMAZON, "--memory=1GB"]
    process = subprocess.Popen([sys.executable, "-c", program, *flags], stderr=subprocess.PIPE, text=True)
    sorting = tmp_path / ".shop.partial" / "cache" / "sorting"
    while not (sorting / "raw.parquet").is_file() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert "interrupted" in told
    assert not sorting.exists()
    assert not (tmp_path / "shop").exists()
    assert run(raw, tmp_path, *AMAZON) == 0


def test_what_a_killed_run_left_goes(tmp_path: Path, on_disk: Callable[[bool], None]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    left = tmp_path / ".shop.partial" / "cache" / "sorting"
    left.mkdir(parents=True)
    (left / "raw.parquet").write_bytes(b"half")
    on_disk(True)
    assert run(raw, tmp_path, *AMAZON, "--memory=1GB") == 0
    assert sorted(os.listdir(tmp_path)) == ["raw", "shop"]
    record = json.loads((tmp_path / "shop" / "shop.prepare.json").read_text())
    assert record["rows"]["interactions"] == {"read": 48, "kept": 48, "skipped": 0}

"""Any raw file at all: a dataset in which every row is accounted for, or one ``error:`` line."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from recbole.utils.enum_type import FeatureType

from recbole_mmm4rec.data.reading import read_columns
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic_reading import read_all
from tests.fuzzing import Fuzzer, edits, mutated
from tests.prepare.raw_files import run

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
FLAGS = ["--layout=table", "--min_interactions=1", "--time_column=ts", "--text={title}"]
ATOMIC = {
    "user_id:token": FeatureType.TOKEN,
    "item_id:token": FeatureType.TOKEN,
    "timestamp:float": FeatureType.FLOAT,
}

nasty = st.sampled_from([
    "", " ", "a", "i0", "i1", "i00", "[PAD]", "NA", "nan", "null", "None", "1.0", "007", "4.006381333931e+12",
    "4.00638E+12", "1e400", "9" * 30, "a\tb", "a\nb", "a\r\nb", "\r", 'a"b', '"', '""', "'", "a,b", "::",
    "\x00", "\x1c", "\x85", "\u2028", "\ufeff", "caf\u00e9", "cafe\u0301", "\U0001f600", "1600000000",
    "1600000000000", "-5", "1e300", "5e-324", "inf", "2024-01-31", "03/05/2024", "20240131 UTC", "[1, 2]",
    "{}", "true",
])  # fmt: skip
text = nasty | st.text(max_size=6)
rows = st.lists(st.tuples(text, text, text), max_size=12)
value = text | st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.lists(text, max_size=2)


class Shop:
    """A folder of good raw files, of which one is replaced for every example."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.items = "item_id,title\n" + "".join(f'i{number},"Thing, {number}"\n' for number in range(6))
        self.log = "user_id,item_id,ts\n" + "".join(
            f"u{user},i{item},{1_600_000_000 + 9 * item}\n" for user in range(4) for item in range(6)
        )
        (folder / "items.csv").write_text(self.items)
        (folder / "interactions.csv").write_text(self.log)

    def check(self, *flags: str) -> dict[str, Any] | None:
        """Prepare; return the record, or None where one line said what is wrong."""
        self.capsys.readouterr()
        code = run(self.folder, self.folder / "out", *FLAGS, "--overwrite", *flags)
        error = self.capsys.readouterr().err
        if code == 2:
            assert error.startswith("error: "), error
            assert error.count("\n") == 1, error
            assert len(error) > 20, error
            return None
        assert code == 0
        return self._record()

    def _record(self) -> dict[str, Any]:
        folder = self.folder / "out" / "shop"
        record = json.loads((folder / "shop.prepare.json").read_text())
        for table in record["rows"].values():
            assert table["read"] == table["kept"] + table["skipped"]
        told = sum(
            entry["count"]
            for reason, entry in record["skipped"].items()
            if reason.startswith(("interactions skipped", "interactions dropped"))
        )
        assert told <= record["rows"]["interactions"]["skipped"]
        # what a run reads is what was written: no row is lost on the way to the training
        written = read_all(folder / "shop.inter", list(ATOMIC))
        trained = read_columns(folder / "shop.inter", ATOMIC, "\t", None)
        assert trained is not None
        assert not trained.isna().any().any()
        assert len(written) == len(trained) == record["rows"]["interactions"]["kept"]
        assert trained["user_id:token"].astype(str).tolist() == written["user_id:token"].to_pylist()
        return record


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    return Shop(tmp_path, capsys)


def _csv(header: tuple[str, ...], values: list[tuple[str, ...]]) -> str:
    out = io.StringIO(newline="")
    # a carriage return ends a line unless it is inside quotation marks, which the writer does not heed
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in values for cell in row) else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator="\n", quoting=quoting).writerows([header, *values])
    return out.getvalue()


def test_csv_of_any_values(shop: Shop, fuzz: Fuzzer) -> None:
    def check(values: list[tuple[str, str, str]]) -> None:
        usable = [[cell.encode("utf-8", "replace").decode() for cell in row] for row in values]
        content = _csv(("user_id", "item_id", "ts"), usable) + "u,i0,1600000000\n"
        (shop.folder / "interactions.csv").write_text(content, newline="", encoding="utf-8")
        record = shop.check()
        odd = ("rows with a stray", "lines skipped: inside a quoted value")
        if record is not None and not any(reason in str(record["skipped"]) for reason in odd):
            assert record["rows"]["interactions"]["read"] == len(usable) + 1

    fuzz(check, rows)


def test_csv_with_bytes_changed(shop: Shop, fuzz: Fuzzer) -> None:
    def check(example: tuple[bool, list[tuple[int, int, bytes]]]) -> None:
        log, changes = example
        (shop.folder / "interactions.csv").write_bytes(mutated(shop.log.encode(), changes if log else []))
        (shop.folder / "items.csv").write_bytes(mutated(shop.items.encode(), [] if log else changes))
        shop.check()

    fuzz(check, st.tuples(st.booleans(), edits))


def test_json_lines(shop: Shop, fuzz: Fuzzer) -> None:
    def check(example: tuple[list[tuple[Any, Any, Any]], list[tuple[int, int, bytes]]]) -> None:
        values, changes = example
        entries = [{"user_id": user, "item_id": item, "ts": ts} for user, item, ts in values]
        good = [{"user_id": "u", "item_id": "i0", "ts": 1_600_000_000}]
        content = "".join(json.dumps(entry) + "\n" for entry in entries + good).encode()
        (shop.folder / "log.jsonl").write_bytes(mutated(content, changes))
        record = shop.check("--interactions=log.jsonl")
        if record is not None and not changes:
            assert record["rows"]["interactions"]["read"] == len(entries) + 1

    triples = st.lists(st.tuples(value, value, value), max_size=8)
    fuzz(check, st.tuples(triples, st.just([]) | edits))


KINDS: list[pa.DataType] = [
    pa.string(), pa.large_string(), pa.int64(), pa.uint64(), pa.float64(), pa.float32(), pa.binary(),
    pa.binary(16), pa.bool_(), pa.date32(), pa.timestamp("us", "UTC"), pa.timestamp("ns"),
    pa.list_(pa.string()), pa.null(), pa.decimal128(38, 2), pa.time64("us"),
    pa.dictionary(pa.int32(), pa.string()), pa.struct([("a", pa.int64())]),
]  # fmt: skip


def column_of(kind: pa.DataType, seeds: list[int]) -> pa.Array:
    """Return a column of a type, out of integers."""
    if pa.types.is_fixed_size_binary(kind):
        return pa.array([None if n % 5 == 0 else (n % 2**64).to_bytes(16, "big") for n in seeds], kind)
    if pa.types.is_binary(kind):
        return pa.array([None if n % 5 == 0 else (n % 2**32).to_bytes(4, "big") for n in seeds], kind)
    if pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or pa.types.is_null(kind):
        nested: list[Any] = [None if n % 5 == 0 else {"a": n % 9} for n in seeds]
        if pa.types.is_list(kind):
            nested = [None if n % 5 == 0 else [f"i{n % 6}"] for n in seeds]
        if pa.types.is_dictionary(kind):
            return pa.array(
                [None if n % 5 == 0 else f"i{n % 6}" for n in seeds], pa.string()
            ).dictionary_encode()
        return pa.nulls(len(seeds)) if pa.types.is_null(kind) else pa.array(nested, kind)
    if pa.types.is_floating(kind):
        odd = [float("nan"), float("inf"), 1e300, 0.5]
        return pa.array([odd[n % 4] if n % 5 == 0 else float(n % 2**32) for n in seeds]).cast(
            kind, safe=False
        )
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.array([None if n % 5 == 0 else f"i{n % 6}" for n in seeds], kind)
    numbers = pa.array([None if n % 5 == 0 else n % 1_000 for n in seeds], pa.int64())
    if pa.types.is_boolean(kind):
        return numbers.cast(pa.bool_())
    return (numbers.cast(pa.int32()) if pa.types.is_date32(kind) else numbers).cast(kind, safe=False)


def test_parquet_of_any_types(shop: Shop, fuzz: Fuzzer) -> None:
    def check(example: tuple[list[pa.DataType], list[int]]) -> None:
        kinds, seeds = example
        names = ("user_id", "item_id", "ts", "title")
        columns = {name: column_of(kind, seeds) for name, kind in zip(names, kinds, strict=True)}
        pq.write_table(pa.table(columns), shop.folder / "log.parquet")
        flags = ["--interactions=log.parquet", "--items=log.parquet"]
        for more in ([], ["--time_unit=date"], ["--items=items.csv"]):
            record = shop.check(*flags, *more)
            if record is not None:
                assert record["rows"]["interactions"]["read"] == len(seeds)

    four = st.lists(st.sampled_from(KINDS), min_size=4, max_size=4)
    fuzz(check, st.tuples(four, st.lists(st.integers(0, 2**66), min_size=1, max_size=20)))


def test_parquet_with_bytes_changed(shop: Shop, fuzz: Fuzzer) -> None:
    table = pa.table(
        {
            "user_id": [f"u{n % 4}" for n in range(40)],
            "item_id": [f"i{n % 6}" for n in range(40)],
            "ts": range(40),
        }
    )
    pq.write_table(table, shop.folder / "whole.parquet", compression="none")
    whole = (shop.folder / "whole.parquet").read_bytes()

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        (shop.folder / "log.parquet").write_bytes(mutated(whole, changes))
        shop.check("--interactions=log.parquet")

    fuzz(check, edits)


def test_atomic_files(shop: Shop, fuzz: Fuzzer) -> None:
    whole = "\t".join(ATOMIC) + "\n" + "".join(f"u{n % 4}\ti{n % 6}\t{n}\n" for n in range(24))
    path = shop.folder / "x.inter"

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        path.write_bytes(mutated(whole.encode(), changes))
        error = None
        try:
            rows = read_all(path, list(ATOMIC))
        except UserError as told:
            error = str(told)
        if error is not None:
            assert "\n" not in error
            return
        lines = [line for line in path.read_bytes().split(b"\n")[1:] if line.strip(b"\r")]
        if b"\r" not in path.read_bytes():
            assert len(rows) == len(lines)

    fuzz(check, edits)


def test_movielens_1m(shop: Shop, fuzz: Fuzzer) -> None:
    def check(changes: list[tuple[int, int, bytes]]) -> None:
        log = "".join(f"{user}::{item}::5::{item}\n" for user in range(4) for item in range(6))
        movies = "".join(f"{item}::Thing {item} (1999)::Drama\n" for item in range(6))
        (shop.folder / "log.dat").write_bytes(mutated(log.encode(), changes))
        (shop.folder / "movies.dat").write_bytes(mutated(movies.encode(), changes[::2]))
        keys = ["--layout=movielens-1m", "--interactions=log.dat", "--items=movies.dat", "--text={title}"]
        shop.check(*keys)

    fuzz(check, edits)


@pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not beside the repository")
def test_files_that_were_once_a_traceback(shop: Shop) -> None:
    for path in sorted((CASES / "mutated").iterdir()):
        ending = ".parquet" if "parquet" in path.name else ".csv"
        (shop.folder / f"m{ending}").write_bytes(path.read_bytes())
        for keys in ([f"--interactions=m{ending}"], [f"--items=m{ending}"]):
            for names in (
                [],
                ["--user_column=user", "--item_column=item", "--item_fields=[name]", "--text={name}"],
            ):
                shop.check(*keys, *names)

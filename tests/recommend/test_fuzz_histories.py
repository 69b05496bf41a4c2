"""Any file of histories: lists of items, or one line. What is left when it fails is nothing."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.batch_run import Order, recommend_file
from recbole_mmm4rec.recommend.history_files import read_history_file
from tests.fuzzing import Fuzzer, anything, edits, mutated, tried
from tests.prepare.test_fuzz import KINDS, column_of
from tests.recommend.trained import recommender

pytestmark = pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
NAMES = ("user_id", "item_id", "timestamp")


def check_file(path: Path) -> None:
    """Recommend to the users of a file; only the output may be new."""
    for name in ("out.csv", "out.parquet"):
        (path.parent / name).unlink(missing_ok=True)
    known = recommender("MMM4Rec")
    works = tried(
        lambda: recommend_file(known, Order(path, path.parent / "out.csv", k=3), show_progress=False)
    )
    left = {found.name for found in path.parent.iterdir()} - {path.name, "whole.parquet"}
    assert left == ({"out.csv"} if works else set())


def test_csv_with_bytes_changed(tmp_path: Path, fuzz: Fuzzer) -> None:
    whole = ",".join(NAMES) + "\n" + "".join(f"u{n % 3},i{n},{1_600_000_000 + n}\n" for n in range(9))

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        (tmp_path / "h.csv").write_bytes(mutated(whole.encode(), changes))
        check_file(tmp_path / "h.csv")

    fuzz(check, edits, examples=40)


def test_json_lines_with_bytes_changed(tmp_path: Path, fuzz: Fuzzer) -> None:
    lines = [{"user_id": f"u{n % 3}", "item_id": f"i{n}", "timestamp": 1_600_000_000 + n} for n in range(9)]
    whole = "".join(json.dumps(line) + "\n" for line in lines)

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        (tmp_path / "h.jsonl").write_bytes(mutated(whole.encode(), changes))
        check_file(tmp_path / "h.jsonl")

    fuzz(check, edits, examples=40)


def test_json_lines_of_any_values(tmp_path: Path, fuzz: Fuzzer) -> None:
    def check(lines: list[dict[str, Any]]) -> None:
        (tmp_path / "h.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        check_file(tmp_path / "h.jsonl")

    fuzz(check, st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, anything)), max_size=3))


def test_parquet_of_any_types(tmp_path: Path, fuzz: Fuzzer) -> None:
    def check(example: tuple[list[pa.DataType], list[int]]) -> None:
        kinds, seeds = example
        columns = {name: column_of(kind, seeds) for name, kind in zip(NAMES, kinds, strict=True)}
        pq.write_table(pa.table(columns), tmp_path / "h.parquet")
        check_file(tmp_path / "h.parquet")

    three = st.lists(st.sampled_from(KINDS), min_size=3, max_size=3)
    fuzz(check, st.tuples(three, st.lists(st.integers(0, 2**66), min_size=1, max_size=9)), examples=60)


def test_parquet_with_bytes_changed(tmp_path: Path, fuzz: Fuzzer) -> None:
    table = pa.table({"user_id": ["u"] * 9, "item_id": [f"i{n}" for n in range(9)], "timestamp": range(9)})
    pq.write_table(table, tmp_path / "whole.parquet", compression="none")
    whole = (tmp_path / "whole.parquet").read_bytes()

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        (tmp_path / "h.parquet").write_bytes(mutated(whole, changes))
        check_file(tmp_path / "h.parquet")

    fuzz(check, edits, examples=40)


def test_histories_of_any_form(fuzz: Fuzzer) -> None:
    known = recommender("MMM4Rec")

    def check(example: tuple[Any, Any]) -> None:
        tried(lambda: known.recommend(*example, k=3))

    fuzz(check, st.tuples(anything | st.lists(st.just("i1")), anything), examples=60)


def test_ids_that_are_not_ids_are_unknown(tmp_path: Path) -> None:
    """A missing or broken number among float ids was a traceback."""
    known = recommender("MMM4Rec")
    old = known.catalogue
    known.catalogue = old.with_features([*old.tokens[:-1], "55"], old.features)
    table = pa.table({"user_id": [1, 1, 1, 1], "item_id": [55.0, float("nan"), 0.5, float("inf")]})
    pq.write_table(table, tmp_path / "h.parquet")
    histories, unknown = read_history_file(tmp_path / "h.parquet", known.catalogue)
    assert histories.items.tolist() == [57]
    assert unknown.count == 3


def test_times_of_another_form_are_one_line() -> None:
    with pytest.raises(UserError, match="times: lists of times are needed, one for each history, not True"):
        recommender("MMM4Rec").recommend(["i1"], True)


def test_a_damaged_page_is_one_line(tmp_path: Path) -> None:
    """Arrow says so in several lines, which were shown as they came, without the file."""
    path = tmp_path / "h.parquet"
    pq.write_table(pa.table({"user_id": ["u"] * 9, "item_id": ["i1"] * 9}), path, compression="none")
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 8 + whole[12:])
    with pytest.raises(UserError, match=r"h\.parquet: cannot be read") as caught:
        read_history_file(path, recommender("MMM4Rec").catalogue)
    assert "\n" not in str(caught.value)

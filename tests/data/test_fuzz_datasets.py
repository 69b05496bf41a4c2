"""Any atomic or feature file: a run reads it, every row as it stands, or one line says what is wrong."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from tests.fuzzing import Fuzzer, edits, files_under, mutated, tried
from tests.prepare.test_fuzz import KINDS, column_of

HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["item_id", "class", "text", "price", "user_id", "", "a b", "\u00e9", "timestamp", "length"]
        ),
        st.sampled_from(["token", "token_seq", "float", "float_seq", "", "int", "token:x"]),
    ),
    min_size=1,
    max_size=4,
)
CELLS = st.sampled_from(
    ["", "i1", "1", "1.5", "x y", "nan", "inf", "1e400", "[PAD]", '"', "a\x00b", "\u00e9"]
)


def reads(model: str, **values: Any) -> None:
    """Read the dataset and split it, as a run does."""
    config = RunConfig(model, "tiny", config_dict={"topk": [5], "valid_metric": "NDCG@5", **values})
    prepare_loaders(config, create_dataset(config))


@pytest.mark.parametrize("model", ["MMM4Rec", "BPR"])
@pytest.mark.parametrize("suffix", ["inter", "item"])
def test_files_with_bytes_changed(model: str, suffix: str, tiny: Path, fuzz: Fuzzer) -> None:
    path = tiny / f"tiny.{suffix}"
    if suffix == "item":
        rows = "".join(f"i{item}\tc{item % 7}\t{item}.5\tx y\n" for item in range(60))
        path.write_text(f"item_id:token\tclass:token\tprice:float\tname:token_seq\n{rows}")
    whole, before = path.read_bytes(), files_under(tiny)

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        path.write_bytes(mutated(whole, [(at % 120, n, piece) for at, n, piece in changes]))
        tried(lambda: reads(model, load_col=None))
        assert files_under(tiny) == before

    fuzz(check, edits, examples=25)


@pytest.mark.parametrize("model", ["MMM4Rec", "BPR"])
def test_items_with_any_columns(model: str, tiny: Path, fuzz: Fuzzer) -> None:
    def check(example: tuple[list[tuple[str, str]], list[list[str]]]) -> None:
        header, rows = example
        lines = ["\t".join(f"{name}:{kind}" for name, kind in header), *("\t".join(row) for row in rows)]
        (tiny / "tiny.item").write_text("\n".join(lines) + "\n")
        tried(lambda: reads(model, load_col=None))

    cells = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4)
    fuzz(check, st.tuples(HEADERS, cells), examples=25)


def test_feature_files_of_any_types(tiny: Path, fuzz: Fuzzer) -> None:
    def check(example: tuple[pa.DataType, pa.DataType, list[int], Any]) -> None:
        token, vector, seeds, extra = example
        names = column_of(token, seeds)
        flat = pa.array([float(n % 7) for n in seeds] * 2, pa.float32())
        vectors = pa.FixedSizeListArray.from_arrays(flat, 2) if extra else column_of(vector, seeds)
        table = pa.table({"item_id": names, "embedding": vectors})
        metadata = {"modality": extra} if isinstance(extra, str) else None
        pq.write_table(table.replace_schema_metadata(metadata), tiny / "tiny.text.parquet")
        tried(lambda: reads("MMM4Rec"))

    kinds = [*KINDS, pa.string(), pa.int64()]
    texts = st.sampled_from([None, True, "{}", "[1]", "{", '{"encoder": 5}', '{"encoder": {"a": 1}}', "null"])
    example = st.tuples(
        st.sampled_from(kinds),
        st.sampled_from(KINDS),
        st.lists(st.integers(0, 2**40), min_size=1, max_size=9),
        texts,
    )
    fuzz(check, example, examples=30)


def test_feature_files_with_bytes_changed(tiny: Path, fuzz: Fuzzer) -> None:
    path = tiny / "tiny.text.parquet"
    pq.write_table(pq.read_table(path), path, compression="none")
    whole = path.read_bytes()

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        path.write_bytes(mutated(whole, changes))
        tried(lambda: reads("MMM4Rec"))

    fuzz(check, edits, examples=25)

"""Two domains whose texts and pictures are codes in one code space."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.prepare.cli import main
from tests.prepare.raw_files import START, dense_rows, feature_rows, rows_of

CODES = 8


def _write_codes(path: Path, encoder: str, items: list[str]) -> np.ndarray:
    vectors = np.eye(CODES, dtype=np.float16)[np.arange(len(items)) % CODES]
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), CODES)
    about = {"modality": json.dumps({"encoder": encoder, "dimension": CODES})}
    pq.write_table(pa.table({"item_id": items, "embedding": column}).replace_schema_metadata(about), path)
    return vectors


@pytest.mark.parametrize(
    ("name", "order", "items"),
    [
        ("amazon-2018-arts", "position", "item_id"),
        ("amazon-2018-games-codes", "timestamp", "item_id,text"),
    ],
)
def test_codes_of_both_modalities(tmp_path: Path, name: str, order: str, items: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = dense_rows()
    places = [time if order == "timestamp" else (time - START) // 86_400 for *_, time in rows]
    interactions = {"user_id": [row[1] for row in rows], "item_id": [row[0] for row in rows], order: places}
    pq.write_table(pa.table(interactions), raw / "interactions.parquet")
    lines = [items, *(f"I{i},Game {i}" if "text" in items else f"I{i}" for i in range(6))]
    (raw / "items.csv").write_text("\n".join(lines) + "\n")
    known = [f"I{i}" for i in range(5)]  # the last item has no codes
    vectors = {kind: _write_codes(raw / f"{kind}.codes.parquet", kind, known) for kind in ("text", "image")}
    assert main([name, f"--source={raw}", f"--output={tmp_path}"]) == 0
    folder = tmp_path / name
    assert len(rows_of(folder / f"{name}.inter")) == len(rows)
    assert ("timestamp:float" in rows_of(folder / f"{name}.inter")[0]) == (order == "timestamp")
    for kind, expected in vectors.items():
        found = feature_rows(folder / f"{name}.{kind}.parquet")
        np.testing.assert_array_equal([found[item] for item in known], expected)
        assert set(found) == set(known)
        about = pq.read_schema(folder / f"{name}.{kind}.parquet").metadata[b"modality"]
        assert json.loads(about)["encoder"] == kind

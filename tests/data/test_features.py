"""Features aligned by token, and every complaint about a feature file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recbole_mmm4rec.data import ModalityFeatures, MultiModalDataset, features, load_features, write_features
from recbole_mmm4rec.errors import UserError
from tests.data.conftest import MakeConfig, Writer

TOKENS = np.array(["[PAD]", "a", "b", "c"])
SEPARATORS = ("\t", " ")


def raw(
    path: Path, tokens: Any, vectors: list[Any], kind: pa.DataType | None = None, **metadata: Any
) -> Path:
    """Write a file as somebody else might."""
    table = pa.table(
        {
            "item_id": tokens if isinstance(tokens, pa.Array) else pa.array(tokens, pa.string()),
            "embedding": pa.array(vectors, kind or pa.list_(pa.float32())),
        }
    )
    pq.write_table(table.replace_schema_metadata(metadata or None), path)
    return path


def load(path: Path, tokens: np.ndarray = TOKENS) -> ModalityFeatures:
    return load_features("text", path, tokens, SEPARATORS)


def complaint(path: Path, tokens: np.ndarray = TOKENS) -> str:
    with pytest.raises(UserError) as caught:
        load(path, tokens)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_round_trip(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "shop.text.parquet"
    matrix = np.arange(6).reshape(2, 3).astype(dtype)
    write_features(path, ["c", "a"], matrix, {"encoder": "words"})
    found = load(path)
    assert found.matrix.dtype == torch.from_numpy(matrix).dtype
    assert found.matrix.tolist() == [[0, 0, 0], [3, 4, 5], [0, 0, 0], [0, 1, 2]]
    assert found.present.tolist() == [False, True, False, True]
    assert found.metadata == {"encoder": "words", "dimension": 3}
    assert (found.name, found.dimension, found.path) == ("text", 3, str(path))
    assert str(found) == "text: 2 of 3 items (66.7 %), 3-d"
    assert list(tmp_path.iterdir()) == [path]


def test_writes_tensors_as_well(tmp_path: Path) -> None:
    path = tmp_path / "shop.text.parquet"
    write_features(str(path), ("a", "b"), torch.eye(2).half(), {})
    assert load(path).matrix[1:3].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("tokens", "matrix", "words"),
    [
        (["a"], np.zeros((2, 3), np.float32), "float matrix of 1 rows"),
        (["a", "b"], np.zeros(2, np.float32), "float matrix"),
        (["a", "b"], np.zeros((2, 3), np.int64), "float matrix"),
        (["a", "a", "b"], np.zeros((3, 1), np.float32), 'more than once: "a"'),
        (["a", "b"], np.array([[1], [np.nan]], np.float32), 'NaN or infinity in the vector of "b"'),
    ],
)
def test_writes_nothing_wrong(tmp_path: Path, tokens: list[str], matrix: np.ndarray, words: str) -> None:
    with pytest.raises(UserError, match=words):
        write_features(tmp_path / "shop.text.parquet", tokens, matrix, {})
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shop.text.parquet"
    write_features(path, ["a"], np.ones((1, 2), np.float32), {})
    before = path.read_bytes()

    def fail(table: Any, where: Path, **_: Any) -> None:
        where.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(features.pq, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_features(path, ["b"], np.ones((1, 2), np.float32), {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float16(), 2),
        pa.list_(pa.float32(), 2),
        pa.list_(pa.float32()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float64()),
    ],
)
def test_every_list_of_floats(tmp_path: Path, kind: pa.DataType) -> None:
    vectors = [[np.float16(1), np.float16(2)], [np.float16(3), np.float16(4)]]
    found = load(raw(tmp_path / "x.text.parquet", ["b", "other"], vectors, kind))
    assert found.matrix.tolist() == [[0, 0], [0, 0], [1, 2], [0, 0]]
    assert found.matrix.dtype == (torch.float16 if kind.value_type == pa.float16() else torch.float32)


def test_tokens_are_text_and_stay_so(tmp_path: Path) -> None:
    tokens = np.array(["[PAD]", "007", "7", "a b", "é😀"])
    names = ["7", "é😀", "007", "a b"]
    found = load(raw(tmp_path / "x.text.parquet", names, [[1.0], [2.0], [3.0], [4.0]]), tokens)
    assert found.matrix[:, 0].tolist() == [0, 3, 1, 4, 2]
    coded = pa.array(names).dictionary_encode()
    assert (
        load(raw(tmp_path / "y.text.parquet", coded, [[1.0], [2.0], [3.0], [4.0]]), tokens).present[1:].all()
    )


def test_the_pad_has_no_features(tmp_path: Path) -> None:
    found = load(raw(tmp_path / "x.text.parquet", ["[PAD]", "a"], [[5.0], [6.0]]))
    assert found.matrix[:, 0].tolist() == [0, 6, 0, 0]
    assert found.present.tolist() == [False, True, False, False]


def test_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_mmm4rec.data.feature_files.BLOCK_ROWS", 7)
    tokens = np.array(["[PAD]", *(f"i{n}" for n in range(50))])
    order = np.random.default_rng(0).permutation(50)
    write_features(
        tmp_path / "x.text.parquet", [f"i{n}" for n in order], order[:, None].astype(np.float32), {}
    )
    assert load(tmp_path / "x.text.parquet", tokens).matrix[1:, 0].tolist() == list(range(50))


def test_text_form(tmp_path: Path) -> None:
    path = tmp_path / "shop.text"
    path.write_text("\ufeffembedding:float_seq\titem_id:token\n1 2.5\tb\n-3e0 4\ta\n")  # as Windows saves it
    found = load(path)
    assert found.matrix.tolist() == [[0, 0], [-3, 4], [1, 2.5], [0, 0]]
    assert found.metadata == {}


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.int8(), pa.dictionary(pa.int8(), pa.int64())])
def test_integers_are_the_tokens_of_their_digits(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([7, 12], kind.value_type if pa.types.is_dictionary(kind) else kind)
    values = values.dictionary_encode() if pa.types.is_dictionary(kind) else values
    path = raw(tmp_path / "x.text.parquet", values, [[1.0], [2.0]])
    assert load(path, np.array(["[PAD]", "12", "3", "7"])).matrix.tolist() == [[0], [2], [0], [1]]


def test_missing_file(tmp_path: Path) -> None:
    assert "feature file missing" in complaint(tmp_path / "shop.text.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all, no", b"PAR1" + bytes(100) + b"PAR1"])
def test_not_parquet(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.text.parquet"
    path.write_bytes(content)
    assert "not a readable feature file" in complaint(path)


def test_cut_or_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.text.parquet"
    write_features(path, ["a", "b"], np.random.default_rng(0).random((2, 900)).astype(np.float32), {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "not a readable feature file" in complaint(path)
    path.write_bytes(whole[:100] + b"\xff" * 3000 + whole[3100:])
    assert "feature file" in complaint(path)


def test_wrong_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.text.parquet"
    pq.write_table(pa.table({"id": ["a"], "embedding": [[1.0]]}), path)
    assert 'column "item_id" missing; it has "id", "embedding"' in complaint(path)
    pq.write_table(pa.table({"item_id": [7.5], "embedding": [[1.0]]}), path)
    assert "item_id is double, not string or integer" in complaint(path)
    pq.write_table(pa.table({"item_id": ["a"], "embedding": [1.0]}), path)
    assert "embedding is double, not a list of floats" in complaint(path)
    pq.write_table(pa.table({"item_id": ["a"], "embedding": [[1]]}), path)
    assert "not a list of floats" in complaint(path)
    pq.write_table(pa.table({"item_id": pa.array(["a", None]), "embedding": [[1.0], [2.0]]}), path)
    assert "1 rows have no item_id" in complaint(path)


def test_metadata_that_is_no_object(tmp_path: Path) -> None:
    assert "not JSON" in complaint(raw(tmp_path / "x.text.parquet", ["a"], [[1.0]], modality="{"))
    assert "not a JSON object" in complaint(raw(tmp_path / "y.text.parquet", ["a"], [[1.0]], modality="[1]"))
    named = raw(tmp_path / "z.text.parquet", ["a"], [[1.0]], modality=json.dumps({"encoder": "é"}))
    assert load(named).metadata == {"encoder": "é"}


def test_widths_that_disagree(tmp_path: Path) -> None:
    vectors = [[1.0, 2.0], [1.0], [1.0, 2.0, 3.0], None, [], [2.0, 3.0]]
    message = complaint(raw(tmp_path / "x.text.parquet", list("abcdef"), vectors))
    assert 'widths disagree: first item 2, but "b" (1), "c" (3), "d" (0) (4 in all)' in message
    assert "width 0" in complaint(raw(tmp_path / "y.text.parquet", ["a", "b"], [[], None]))


def test_nan_and_infinity(tmp_path: Path) -> None:
    vectors = [[0.0, np.nan], [np.inf, 0], [-np.inf, 1], [np.nan, np.nan], [1, 2]]
    message = complaint(raw(tmp_path / "x.text.parquet", list("bcdea"), vectors))
    assert 'NaN or infinity in the vector of "b", "c", "d" (4 in all)' in message
    null_inside = raw(tmp_path / "y.text.parquet", ["a"], [[1.0, None]])
    assert 'of "a"' in complaint(null_inside)


def test_tokens_twice(tmp_path: Path) -> None:
    message = complaint(raw(tmp_path / "x.text.parquet", list("abcabab"), [[1.0]] * 7))
    assert 'items named more than once: "a", "b"' in message


def test_no_token_in_common(tmp_path: Path) -> None:
    message = complaint(raw(tmp_path / "x.text.parquet", ["A", "B"], [[1.0]] * 2))
    assert 'no token in common with the dataset; file: "A", "B", dataset: "a", "b", "c"' in message
    assert "no rows" in complaint(raw(tmp_path / "y.text.parquet", [], []))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "header must be"),
        ("item_id:token\tvector:float_seq\na\t1\n", "header must be"),
        ("item_id:token\tembedding:float_seq\na\t1 x\n", 'item "a"'),
        ("item_id:token\tembedding:float_seq\na\t1\nb\n", "line"),
        ("item_id:token\tembedding:float_seq\na\t1\nb\t1 2\n", "widths disagree"),
        ("item_id:token\tembedding:float_seq\na\t1\nb\tnan\n", "NaN or infinity"),
        ("item_id:token\tembedding:float_seq\n", "no rows"),
    ],
)
def test_text_form_complaints(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "shop.text"
    path.write_text(text)
    assert words in complaint(path)


def test_deep_copies_share_the_matrix(tmp_path: Path) -> None:
    found = load(raw(tmp_path / "x.text.parquet", ["a"], [[1.0]]))
    assert copy.deepcopy({"features": found})["features"] is found


def test_the_dataset_aligns_and_logs(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = write_inter([("u", f"00{n}", n) for n in range(4)]).parent
    write_features(folder / "shop.text.parquet", ["003", "000", "999"], np.eye(3, dtype=np.float16), {})
    write_features(folder / "shop.image.parquet", ["002"], np.ones((1, 5), np.float32), {})
    dataset = MultiModalDataset(make_config())
    assert list(dataset.features) == ["text", "image"]
    text, image = dataset.features.values()
    assert text.matrix[dataset.token2id("item_id", "003")].tolist() == [1, 0, 0]
    assert text.matrix[dataset.token2id("item_id", "000")].tolist() == [0, 1, 0]
    assert int(image.present.sum()) == 1
    assert "image: 1 of 4 items (25.0 %), 5-d" in caplog.messages
    train, *_ = dataset.build()
    assert train.features["text"] is text


def test_real_features(make_config: MakeConfig, write_inter: Writer, real_data: Path) -> None:
    source = real_data / "amazon-2018-scientific"
    tokens = pq.read_table(source / "text.minilm.parquet", columns=["item_id"]).column(0).to_pylist()
    folder = write_inter([("u", token, n) for n, token in enumerate(sorted(tokens))]).parent
    (folder / "shop.text.parquet").symlink_to(source / "text.minilm.parquet")
    (folder / "shop.image.parquet").symlink_to(source / "image.clip-vit-b32.parquet")
    dataset = MultiModalDataset(make_config())
    assert str(dataset.features["text"]) == "text: 4,385 of 4,385 items (100.0 %), 384-d"
    assert str(dataset.features["image"]) == "image: 1,585 of 4,385 items (36.1 %), 512-d"
    table = pq.read_table(source / "image.clip-vit-b32.parquet").slice(77, 1).to_pylist()[0]
    row = dataset.features["image"].matrix[dataset.token2id("item_id", table["item_id"])]
    assert row.tolist() == table["embedding"]

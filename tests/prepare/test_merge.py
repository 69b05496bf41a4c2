"""Joining datasets."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.data import feature_files
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from tests.prepare.raw_files import feature_rows, rows_of


def _dataset(root: Path, name: str, width: int = 4, times: bool = True, encoder: str = "e") -> None:
    folder = root / name
    folder.mkdir(parents=True)
    columns = {"user_id:token": ["u1", "u2"], "item_id:token": ["i1", "i2"]}
    if times:
        columns["timestamp:float"] = [5, 6]  # type: ignore[assignment]
    write_atomic(folder / f"{name}.inter", columns)
    write_atomic(folder / f"{name}.item", {"item_id:token": ["i1", "i2"], "title:token_seq": [name, name]})
    if width:
        matrix = np.full((1, width), ord(name), dtype=np.float32)
        write_feature_file(folder, name, "text", ["i1"], matrix, {"encoder": encoder})


def _merge(root: Path, *flags: str) -> int:
    return main(["merge", "all", f"--output={root}", *flags])


def test_merge(tmp_path: Path) -> None:
    _dataset(tmp_path, "a")
    _dataset(tmp_path, "b", width=0)
    _dataset(tmp_path, "c")
    assert _merge(tmp_path, "--datasets", "a", "b", "c") == 0
    rows = rows_of(tmp_path / "all" / "all.inter")
    assert rows[2] == {"user_id:token": "b/u1", "item_id:token": "b/i1", "timestamp:float": "5"}
    assert len({row["user_id:token"] for row in rows}) == 6
    assert [row["title:token_seq"] for row in rows_of(tmp_path / "all" / "all.item")] == list("aabbcc")
    vectors = feature_rows(tmp_path / "all" / "all.text.parquet")
    assert vectors == {"a/i1": [97.0] * 4, "c/i1": [99.0] * 4}


def test_columns_that_one_lacks_are_left_out(tmp_path: Path) -> None:
    _dataset(tmp_path, "a")
    _dataset(tmp_path, "b", times=False)
    assert _merge(tmp_path, "--datasets", "a", "b") == 0
    assert set(rows_of(tmp_path / "all" / "all.inter")[0]) == {"user_id:token", "item_id:token"}


def test_users_are_merged_where_all_have_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in "ab":
        _dataset(tmp_path, name)
    write_atomic(tmp_path / "a" / "a.user", {"user_id:token": ["u1"], "age:float": [30]})
    assert _merge(tmp_path, "--datasets", "a", "b") == 0
    assert "all.user: left out, not every dataset has one: b" in caplog.text
    assert not (tmp_path / "all" / "all.user").exists()
    write_atomic(tmp_path / "b" / "b.user", {"user_id:token": ["u1"], "age:float": [40]})
    assert _merge(tmp_path, "--datasets", "a", "b", "--overwrite") == 0
    users = rows_of(tmp_path / "all" / "all.user")
    assert users == [
        {"user_id:token": "a/u1", "age:float": "30"},
        {"user_id:token": "b/u1", "age:float": "40"},
    ]


@pytest.mark.parametrize(
    ("suffix", "column"), [("inter", "user_id"), ("inter", "item_id"), ("item", "item_id")]
)
def test_ids_of_other_names_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, column: str
) -> None:
    """They would stand without their domain: the user 1 of one dataset would be the user 1 of the other."""
    for name in "ab":
        _dataset(tmp_path, name, width=0)
    path = tmp_path / "b" / f"b.{suffix}"
    path.write_text(path.read_text().replace(f"{column}:token", "uid:token"))
    assert _merge(tmp_path, "--datasets", "a", "b") == 2
    assert f"b.{suffix}: no column {column}:token" in capsys.readouterr().err
    assert not (tmp_path / "all").exists()


def test_features_in_text_form_come_along(tmp_path: Path) -> None:
    _dataset(tmp_path, "a", width=0)
    _dataset(tmp_path, "b", width=0)
    for name in "ab":
        text = f"item_id:token\tembedding:float_seq\ni2\t{ord(name)} 2\n"
        (tmp_path / name / f"{name}.text").write_text(text)
    assert _merge(tmp_path, "--datasets", "a", "b") == 0
    assert feature_rows(tmp_path / "all" / "all.text.parquet") == {"a/i2": [97.0, 2.0], "b/i2": [98.0, 2.0]}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"width": 5}, "dimension differs (a: 4, b: 5)"),
        ({"encoder": "f"}, "encoder differs (a: e, b: f)"),
    ],
)
def test_vectors_that_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, object], told: str
) -> None:
    _dataset(tmp_path, "a")
    _dataset(tmp_path, "b", **other)  # type: ignore[arg-type]
    assert _merge(tmp_path, "--datasets", "a", "b") == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "all").exists()
    assert _merge(tmp_path, "--datasets", "a", "b", "--modalities") == 0


def test_fitted_vectors_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        _dataset(tmp_path, name, encoder="TF-IDF + truncated SVD (scikit-learn)")
    assert _merge(tmp_path, "--datasets", "a", "b") == 2
    assert "fitted to its own dataset" in capsys.readouterr().err


@pytest.mark.parametrize("encoders", [("unknown", "unknown"), ("e", "unknown"), ("unknown", "e"), ("e", "e")])
def test_an_unknown_encoder_equals_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, encoders: tuple[str, str]
) -> None:
    """Vectors that were imported without saying what computed them may be of different encoders."""
    for name, encoder in zip("ab", encoders, strict=True):
        _dataset(tmp_path, name, width=0)
        np.savez(tmp_path / f"{name}.npz", ids=np.array(["i1"]), embeddings=np.ones((1, 4)))
        flags = [] if encoder == "unknown" else [f"--encoder={encoder}"]
        command = ["import", name, "--modality=text", f"--file={tmp_path / name}.npz", f"--output={tmp_path}"]
        assert main([*command, *flags]) == 0
    assert _merge(tmp_path, "--datasets", "a", "b") == 0
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    unknown = ", ".join(name for name, encoder in zip("ab", encoders, strict=True) if encoder == "unknown")
    assert len(told) == bool(unknown)
    assert all(f"the encoder of the text vectors of {unknown} is unknown" in line for line in told)


def test_an_unknown_encoder_of_another_width_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _dataset(tmp_path, "a", encoder="unknown")
    _dataset(tmp_path, "b", width=5)
    assert _merge(tmp_path, "--datasets", "a", "b") == 2
    assert "dimension differs (a: 4, b: 5)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [((np.float16, np.float16), np.float16), ((np.float16, np.float32), np.float32)],
)
def test_vectors_go_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[type, type], expected: type
) -> None:
    """The same rows as from the whole matrices, of which only blocks are held."""
    monkeypatch.setattr(feature_files, "BLOCK_ROWS", 7)
    rng, wanted = np.random.default_rng(0), {}
    for name, kind in zip("ab", kinds, strict=True):
        _dataset(tmp_path, name, width=0)
        matrix, tokens = rng.normal(size=(30, 4)).astype(kind), [f"t{row}" for row in range(30)]
        write_feature_file(tmp_path / name, name, "text", tokens, matrix, {"encoder": "e"})
        wanted |= {f"{name}/{token}": vector.tolist() for token, vector in zip(tokens, matrix, strict=True)}
    assert _merge(tmp_path, "--datasets", "a", "b") == 0
    path = tmp_path / "all" / "all.text.parquet"
    assert feature_rows(path) == wanted
    file = feature_files.open_features(path)
    assert {values.dtype for _, values in file.blocks()} == {np.dtype(expected)}
    assert file.metadata == {"modality": "text", "encoder": "e", "dimension": 4, "merged": ["a", "b"]}


@pytest.mark.parametrize(
    ("tokens", "vectors", "told"),
    [
        (["i1", "i2"], [[1.0, 2.0], [1.0]], 'b.text.parquet: not 2 numbers in the vector of "i2"'),
        (["i1", "i2"], [[1.0, 2.0], [1.0, float("nan")]], 'NaN or infinity in the vector of "i2"'),
        (["i1", "i1"], [[1.0, 2.0], [1.0, 2.0]], 'items named more than once: "i1"'),
        ([], [], "b.text.parquet: no vectors"),
    ],
)
def test_damaged_vectors_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tokens: list[str],
    vectors: list[list[float]],
    told: str,
) -> None:
    _dataset(tmp_path, "a", width=2)
    _dataset(tmp_path, "b", width=0)
    table = {"item_id": pa.array(tokens, pa.string()), "embedding": pa.array(vectors, pa.list_(pa.float32()))}
    schema_metadata = {"modality": json.dumps({"encoder": "e"})}
    pq.write_table(
        pa.table(table).replace_schema_metadata(schema_metadata), tmp_path / "b" / "b.text.parquet"
    )
    assert _merge(tmp_path, "--datasets", "a", "b") == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "all").exists()


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "nowhere"]])
def test_wrong_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    _dataset(tmp_path, "a")
    assert _merge(tmp_path, "--datasets", *names) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_rows_keep_their_order_where_the_times_are_left_out(tmp_path: Path) -> None:
    _dataset(tmp_path, "a")
    columns = {"user_id:token": ["u1"] * 4, "item_id:token": ["third", "first", "also first", "second"]}
    write_atomic(tmp_path / "a" / "a.inter", columns | {"timestamp:float": ["300", "9", "9", "20"]})
    _dataset(tmp_path, "b", times=False)
    assert _merge(tmp_path, "--datasets", "a", "b") == 0
    items = [row["item_id:token"] for row in rows_of(tmp_path / "all" / "all.inter")]
    assert items == ["a/first", "a/also first", "a/second", "a/third", "b/i1", "b/i2"]

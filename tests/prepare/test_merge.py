"""Joining datasets."""

from pathlib import Path

import numpy as np
import pytest

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
    assert "fitted to each dataset alone" in capsys.readouterr().err


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "nowhere"]])
def test_wrong_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    _dataset(tmp_path, "a")
    assert _merge(tmp_path, "--datasets", *names) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]

"""Per-user files that are broken: one line that names the file and the array."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.errors import UserError
from tests.benchmark.report.folder import make_run

DAMAGED = Path(__file__).parents[3].parent / "shared/cases/mutated/report-users-07d0d927"


def users_error(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        UserFiles(folder).rows(make_run(users="users.npz"))
    assert str(folder / "users.npz") in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_broken_files_of_users(tmp_path: Path) -> None:
    path = tmp_path / "users.npz"
    path.write_bytes(b"no archive")
    assert "cannot be read" in users_error(tmp_path)
    np.savez(path, user=np.arange(3))
    assert "no array 'rank'" in users_error(tmp_path)
    np.savez(path, user=np.arange(3), rank=np.arange(2))
    assert "'rank' has shape (2,), 'user' has (3,)" in users_error(tmp_path)
    np.savez(path, user=np.array([object()]), rank=np.arange(1))
    assert "array 'user' cannot be read" in users_error(tmp_path)  # pickled objects are never loaded
    with path.open("wb") as stream:
        np.save(stream, np.arange(3))
    assert "found a single array" in users_error(tmp_path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("user", np.array(["u1", "u2"]), "'user': expected whole numbers, found <U2"),
        ("rank", np.array([b"1", b"2"]), "'rank': expected numbers, found |S1"),
        ("rank", np.array([0, -1]), "'rank' has values that are not ranks"),
        ("rank", np.array([0, np.nan]), "'rank' has values that are not ranks"),
        ("item_count", np.array([0.5, 1.0]), "'item_count': expected whole numbers, found float64"),
        ("has_text", np.array([0, 2]), "'has_text': expected booleans, found int64"),
        ("item", np.arange(4).reshape(2, 2), "'item' has shape (2, 2), 'user' has (2,)"),
    ],
)
def test_arrays_of_another_type(tmp_path: Path, name: str, array: np.ndarray, message: str) -> None:
    arrays = {"user": np.arange(2), "rank": np.arange(2)} | {name: array}
    np.savez(tmp_path / "users.npz", **arrays)
    assert message in users_error(tmp_path)


def test_every_damaged_file_is_one_line(tmp_path: Path) -> None:
    """Change single bytes of a compressed archive: it is read, or refused in one line that names the file."""
    path, random = tmp_path / "users.npz", np.random.default_rng(0)
    np.savez_compressed(path, user=random.integers(0, 99, 50), rank=np.arange(50), item=np.arange(50))
    whole, refused = path.read_bytes(), 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        refused += bool(refusal(tmp_path))
    assert refused > 10


def refusal(folder: Path) -> str:
    """The line of error about a file that may be damaged; empty if it could be read."""
    try:
        UserFiles(folder).rows(make_run(users="users.npz"))
    except UserError:
        return users_error(folder)
    return ""


@pytest.mark.skipif(not DAMAGED.is_file(), reason="the shared cases are not there")
def test_an_array_that_does_not_decompress(tmp_path: Path) -> None:
    shutil.copyfile(DAMAGED, tmp_path / "users.npz")
    assert "array 'history_length' cannot be read" in users_error(tmp_path)

"""Datasets that come with the installation."""

import shutil
from pathlib import Path

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare import SHIPPED, ensure_dataset
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.staging import put_back, staged_folder
from tests.forked import in_processes
from tests.prepare.raw_files import feature_rows, rows_of


def test_ml_100k(tmp_path: Path) -> None:
    assert ensure_dataset("ml-100k", tmp_path)
    folder = tmp_path / "ml-100k"
    state = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert not ensure_dataset("ml-100k", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == state
    vectors = feature_rows(folder / "ml-100k.text.parquet")
    assert set(vectors) == {row["item_id:token"] for row in rows_of(folder / "ml-100k.item")}
    assert not (folder / "ml-100k.image.parquet").exists()
    assert len(rows_of(folder / "ml-100k.inter")) == 100_000


def test_other_names_are_left_alone(tmp_path: Path) -> None:
    assert not ensure_dataset("ml-1b", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_command_and_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["demo-shop", "--part=b", f"--output={tmp_path}"]
    assert main(flags) == 0
    assert (tmp_path / "demo-shop-b" / "demo-shop-b.inter").is_file()
    assert main(flags) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*flags, "--overwrite"]) == 0
    assert main([*flags, "--overwrite", "--source=x"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["demo-shop-b"]


def test_unknown_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo-shp", f"--output={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert "demo-shop" in error
    assert "ml-latest-small" in error
    assert error.count("\n") == 1


def ensure_in_a_process(_: int, folder: Path) -> None:
    torch.set_num_threads(1)
    ensure_dataset("ml-100k", folder)


def test_several_processes_at_once(tmp_path: Path) -> None:
    in_processes(ensure_in_a_process, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ml-100k"]


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build() -> None:
        with staged_folder(tmp_path / "x") as folder:
            (folder / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build()
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_several_builds_stays(tmp_path: Path) -> None:
    def build(name: str) -> None:
        with staged_folder(tmp_path / "x") as folder:
            (folder / "x.inter").write_text(name)
            if name == "slow":
                build("fast")

    with pytest.raises(UserError, match="x exists already"):
        build("slow")
    assert (tmp_path / "x" / "x.inter").read_text() == "fast"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_what_a_killed_run_was_removing_is_not_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> None:
        with staged_folder(tmp_path / "x", overwrite=True) as folder:
            (folder / "x.inter").write_text("whole")

    build()
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)
        build()
    shutil.rmtree(tmp_path / "x")
    put_back(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_names() -> None:
    assert SHIPPED == ("ml-100k", "demo-shop", "demo-shop-a", "demo-shop-b")

"""Code that can change a number changes the hash; comments, docstrings and the report's code do not."""

from pathlib import Path

import pytest

from recbole_mmm4rec.quick_start.code_fingerprint import (
    PACKAGE,
    WRITES_RESULTS,
    code_fingerprint,
    file_fingerprint,
)

CODE = 'def loss(x):\n    """A loss."""\n    return x + 1\n'


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in ("nn/loss.py", "benchmark/report/page.py", "benchmark/record.py", "trainer.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CODE)
    return tmp_path


def of(package: Path) -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint(package)


@pytest.mark.parametrize("name", ["nn/loss.py", "trainer.py", "benchmark/record.py"])
def test_code_of_the_numbers_counts(package: Path, name: str) -> None:
    before = of(package)
    (package / name).write_text(CODE.replace("+ 1", "+ 2"))
    assert of(package) != before
    (package / name).write_text(CODE)
    assert of(package) == before
    (package / name).unlink()
    assert of(package) != before


def test_a_new_file_and_a_moved_one_count(package: Path) -> None:
    before = of(package)
    (package / "nn" / "loss.py").rename(package / "nn" / "losses.py")
    moved = of(package)
    (package / "nn" / "loss.py").write_text(CODE)
    assert len({before, moved, of(package)}) == 3


def test_what_changes_no_number_does_not_count(package: Path) -> None:
    before = of(package)
    text = '"""A module."""\n\n\ndef loss(  # of a batch\n    x\n):\n    """New."""\n    return (x + 1)\n'
    (package / "nn" / "loss.py").write_text(text)
    (package / "benchmark" / "report" / "page.py").write_text("PAGE = 2\n")
    assert of(package) == before


def test_the_files_that_write_results_exist() -> None:
    assert all((PACKAGE / name).is_file() for name in WRITES_RESULTS)
    assert len(of(PACKAGE)) == 12


def test_one_file_by_itself(package: Path) -> None:
    path = package / "trainer.py"
    before = file_fingerprint(path)
    path.write_text(CODE.replace("A loss.", "Another docstring."))
    assert file_fingerprint(path) == before
    path.write_text(CODE.replace("+ 1", "+ 2"))
    assert file_fingerprint(path) != before

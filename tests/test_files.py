"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import replacing, write_text


def test_a_folder_as_the_file_is_refused_before_the_work(tmp_path: Path) -> None:
    """It was reported after the work, by the temporary name: ``.out.4431.tmp: Is a directory``."""
    folder = tmp_path / "out"
    folder.mkdir()
    begun = []
    with pytest.raises(UserError) as caught, replacing(folder):
        begun.append(True)
    assert str(caught.value) == f"{folder} is a folder; give the name of a file"
    assert not begun
    assert list(tmp_path.iterdir()) == [folder]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]

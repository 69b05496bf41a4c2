"""``inspect``: figures and page."""

from pathlib import Path

import pytest
from PIL import Image

from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.inspection import inspect


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "d"
    (folder / "images").mkdir(parents=True)
    columns = {
        "user_id:token": ["u", "u", "u", "u", "v"],
        "item_id:token": ["a", "b", "a", "a", "b"],
        "timestamp:float": [0, 0, 7200, 7200, 86_400],
    }
    write_atomic(folder / "d.inter", columns)
    write_atomic(folder / "d.item", {"item_id:token": ["a", "b"], "title:token_seq": ["<Ant> & co", "Bee"]})
    Image.new("RGBA", (300, 100), "red").save(folder / "images" / "a.png")
    (folder / "images" / "b.png").write_bytes(b"broken")
    return folder


def test_figures(dataset: Path) -> None:
    assert list(inspect("d", dataset)) == [
        "users: 2, items: 2, interactions: 5",
        "history: mean 2.50, median 2, longest 4",
        "repeats: 2 interactions with an item the user had before",
        "times: 1970-01-01T00:00:00 to 1970-01-02T00:00:00 (UTC)",
        "gaps: 66.7 % zero, median 0 seconds, 95 % below 1.8 hours",
        "duplicates: 1 interactions repeat user, item and time",
    ]


def test_page(dataset: Path) -> None:
    page = dataset.parent / "page.html"
    assert main(["inspect", "d", f"--output={dataset.parent}", f"--page={page}"]) == 0
    text = page.read_text()
    assert "&lt;Ant&gt; &amp; co" in text
    assert text.count("data:image/jpeg") == 1
    assert "no picture, or of an unknown format" in text
    assert "history: mean 2.50" in text


@pytest.mark.parametrize("content", ["", "user_id\titem_id\nu\ti\n", "user_id:token\titem_id:token\n", None])
def test_what_is_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None) -> None:
    (tmp_path / "d").mkdir()
    if content is not None:
        (tmp_path / "d" / "d.inter").write_text(content)
    assert main(["inspect", "d", f"--output={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1

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


def test_empty_times(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    columns = {"user_id:token": ["u", "u", "u"], "item_id:token": ["a", "b", "c"]}
    write_atomic(tmp_path / "d" / "d.inter", columns | {"timestamp:float": ["0", "", "60"]})
    assert list(inspect("d", tmp_path / "d"))[3:5] == [
        "times: missing in 1 interactions",
        "times: 1970-01-01T00:00:00 to 1970-01-01T00:01:00 (UTC)",
    ]
    write_atomic(tmp_path / "d" / "d.inter", columns | {"timestamp:float": [""] * 3})
    assert list(inspect("d", tmp_path / "d"))[3:] == ["times: missing in 3 interactions"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "user_id\titem_id\nu\ti\n",
        "user_id:token\titem_id:token\n",
        "uid:token\titem_id:token\nu\ti\n",
        "user_id:token\titem_id:token\ttimestamp:float\nu\ti\tnow\n",
        None,
    ],
)
def test_what_is_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None) -> None:
    (tmp_path / "d").mkdir()
    if content is not None:
        (tmp_path / "d" / "d.inter").write_text(content)
    assert main(["inspect", "d", f"--output={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1

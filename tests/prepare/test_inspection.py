"""``inspect``: figures and page."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.inspection import _duration, inspect
from tests.prepare.raw_files import AMAZON, dense_rows, meta, run, write_amazon


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
        "history: mean 2.50, median 2.5, longest 4",
        "repeats: 2 interactions with an item the user had before",
        "times: 1970-01-01T00:00:00 to 1970-01-02T00:00:00 (UTC)",
        "gaps: 66.7 % zero, median 0 seconds, 95 % below 1.8 hours",
        "duplicates: 1 interaction repeats user, item and time",
    ]


def test_page(dataset: Path) -> None:
    page = dataset.parent / "page.html"
    assert main(["inspect", "d", f"--output={dataset.parent}", f"--page={page}"]) == 0
    text = page.read_text()
    assert "&lt;Ant&gt; &amp; co" in text
    assert text.count("data:image/jpeg") == 1
    assert "no picture, or of an unknown format" in text
    assert "history: mean 2.50" in text


@pytest.mark.parametrize(("name", "told"), [("d.inter", "is not an HTML page"), (".", "is a folder")])
def test_the_page_replaces_nothing_else(
    dataset: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, name: str, told: str
) -> None:
    """``--page=d.inter`` overwrote the interactions."""
    before, page = (dataset / "d.inter").read_bytes(), dataset / name
    assert main(["inspect", "d", f"--output={dataset.parent}", f"--page={page}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --page: {page} ")
    assert told in error
    assert "history" not in caplog.text
    assert (dataset / "d.inter").read_bytes() == before
    old = dataset.parent / "old.HTM"
    old.write_text("an older page")
    assert main(["inspect", "d", f"--output={dataset.parent}", f"--page={old}"]) == 0
    assert "history" in old.read_text()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (1.5, "1.5 seconds"),
        (60, "1 minute"),
        (86_400, "1 day"),
        (90_000, "1 day"),
    ],
)
def test_one_is_singular(seconds: float, told: str) -> None:
    assert _duration(seconds) == told


class _Page(HTMLParser):
    """Attributes of every tag by its name, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, list[dict[str, str | None]]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.setdefault(tag, []).append(dict(attrs))


def test_the_page_says_language_width_and_what_pictures_show(dataset: Path) -> None:
    page = dataset.parent / "page.html"
    assert main(["inspect", "d", f"--output={dataset.parent}", f"--page={page}"]) == 0
    tags = _Page(page.read_text()).tags
    assert tags["html"] == [{"lang": "en"}]
    named = {tag["name"]: tag["content"] for tag in tags["meta"] if "name" in tag}
    assert named == {"viewport": "width=device-width, initial-scale=1", "color-scheme": "light dark"}
    assert [tag["alt"] for tag in tags["img"]] == ["Picture of <Ant> & co"]
    assert len(tags["article"]) == 2


def test_pictures_are_known_from_the_record(tmp_path: Path) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    (raw / "photos").mkdir()
    for item in range(6):
        Image.new("RGB", (20, 20), (40 * item, 0, 0)).save(raw / "photos" / f"I{item}.png")
    assert run(raw, tmp_path / "data", *AMAZON, "--pictures=photos") == 0
    assert str(tmp_path) not in (tmp_path / "data" / "shop" / "shop.prepare.json").read_text()
    page = tmp_path / "page.html"
    flags = ["inspect", "shop", f"--output={tmp_path / 'data'}", f"--page={page}"]
    assert main(flags) == 0
    assert page.read_text().count("data:image/jpeg") == 6
    (raw / "photos").rename(raw / "gone")  # a folder that is gone is not an obstacle
    assert main(flags) == 0
    assert page.read_text().count("data:image/jpeg") == 0


@pytest.mark.parametrize("record", ["[]", "{", '{"picture_folders": 5}'])
def test_a_damaged_record_is_one_line(dataset: Path, capsys: pytest.CaptureFixture[str], record: str) -> None:
    (dataset / "d.prepare.json").write_text(record)
    page = dataset.parent / "page.html"
    assert main(["inspect", "d", f"--output={dataset.parent}", f"--page={page}"]) == 2
    assert "d.prepare.json: not the record of a dataset" in capsys.readouterr().err
    assert not page.exists()


def test_empty_times(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    columns = {"user_id:token": ["u", "u", "u"], "item_id:token": ["a", "b", "c"]}
    write_atomic(tmp_path / "d" / "d.inter", columns | {"timestamp:float": ["0", "", "60"]})
    assert list(inspect("d", tmp_path / "d"))[3:5] == [
        "times: missing or impossible in 1 interaction",
        "times: 1970-01-01T00:00:00 to 1970-01-01T00:01:00 (UTC)",
    ]
    write_atomic(tmp_path / "d" / "d.inter", columns | {"timestamp:float": [""] * 3})
    assert list(inspect("d", tmp_path / "d"))[3:4] == ["times: missing or impossible in 3 interactions"]


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


def test_a_time_that_is_no_number_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The value was named, not its line."""
    (tmp_path / "d").mkdir()
    rows = "u\ta\t\nu\tb\t5\nu\tc\tnow\n"
    (tmp_path / "d" / "d.inter").write_text(f"user_id:token\titem_id:token\ttimestamp:float\n{rows}")
    assert main(["inspect", "d", f"--output={tmp_path}"]) == 2
    assert "d.inter line 4: timestamp:float is not a number ('now')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("user", "time", "said"),
    [
        ("u", "", 'timestamp is missing or not finite in line 3 ("")'),
        ("u", "1e300", 'timestamp is before 1970 or after 2100 in line 3 ("1e300")'),
        ("u", "-5", 'timestamp is before 1970 or after 2100 in line 3 ("-5")'),
        ("[PAD]", "5", 'user_id is [PAD], which RecBole keeps for empty positions, in line 3 ("[PAD]")'),
        ("u", "1600000005", None),
    ],
)
def test_what_a_run_refuses_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, time: str, said: str | None
) -> None:
    """``inspect`` showed figures of datasets that no run takes, and 1e300 was a traceback."""
    lines = ["user_id:token\titem_id:token\ttimestamp:float", "u\ta\t1600000000", f"{user}\tb\t{time}"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "d.inter").write_text("\n".join([*lines, "u\tc\t1600000009"]) + "\n")
    told = [line for line in inspect("d", tmp_path / "d") if "refuses" in line]
    monkeypatch.setattr("sys.argv", ["test"])
    config = RunConfig("SASRec", "d", config_dict={"data_path": str(tmp_path)})
    if said is None:
        assert told == []
        assert create_dataset(config)
    else:
        (line,) = told
        assert said in line
        with pytest.raises(UserError) as caught:
            create_dataset(config)
        assert line == f"a run refuses this dataset: {caught.value}"

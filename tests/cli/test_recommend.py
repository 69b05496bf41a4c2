"""The commands that ask a checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recbole_mmm4rec.cli import app
from tests.recommend.trained import trained

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def checkpoint() -> str:
    return str(trained("MMM4Rec")[0])


def test_recommend_writes_a_file(checkpoint: str, in_tmp: Path, capsys: Captured) -> None:
    Path("h.csv").write_text("user_id,item_id,timestamp\nu,i1,1500000000\nv,?,1500000000\nu,i2,1500000060\n")
    Path("allow.txt").write_text("i3\ni4\n\ni5\n")
    flags = ["--users=h.csv", "--output=lists.csv", "--k=2", "--allow=allow.txt", "--exclude-seen"]
    assert app.main(["recommend", checkpoint, *flags]) == 0
    said = capsys.readouterr()
    assert said.out == "lists.csv: 2 rows for 1 users, 1 left out\n"
    assert said.err.splitlines() == [
        'note: h.csv: the model does not know "?"; left out',
        'note: h.csv: users without an item that the model knows, left out: "v"',
    ]
    lines = Path("lists.csv").read_text().splitlines()
    assert lines[0] == "user,rank,item,score"
    assert {line.split(",")[2] for line in lines[1:]} <= {"i3", "i4", "i5"}


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--page=h.csv"], "--page: h.csv exists and is not an HTML file"),
        (["--page=notes"], "--page: notes exists and is not an HTML file"),
        (["--page=folder"], "--page: folder is a folder"),
        (["--page=new.png"], "--page: new.png does not end in .html"),
        (["--output=folder.csv"], "--output: folder.csv is a folder"),
        (["--output=./h.csv"], "--output: h.csv is an input of this command"),
        (["--output=ids.csv", "--allow=ids.csv"], "--output: ids.csv is an input"),
        (["--output=c.parquet", "--categories=c.parquet"], "--output: c.parquet is an input"),
        (["--output=m.parquet"], "--output: m.parquet is an input"),
        (["--output=tiny/tiny.text.parquet"], "tiny.text.parquet is a file of a dataset"),
        (["--users=*.csv", "--output=h.csv"], "--output: h.csv is an input"),
        (["--users=more", "--output=more/part.csv"], "--output: more/part.csv is an input"),
        (["--users=more", "--output=more"], "--output: more is an input"),
    ],
)
def test_nothing_is_written_over_inputs(flags: list[str], line: str, in_tmp: Path, capsys: Captured) -> None:
    for folder in ("folder", "folder.csv", "tiny", "more"):
        Path(folder).mkdir()
    features = "tiny/tiny.text.parquet"
    files = ("h.csv", "notes", "ids.csv", "c.parquet", "m.parquet", "more/part.csv", "tiny/tiny.inter")
    for name in (*files, features):
        Path(name).write_text("as it was")
    assert app.main(["recommend", "m.parquet", "--users=h.csv", *flags]) == 2  # before the model is read
    assert line in capsys.readouterr().err
    assert {Path(name).read_text() for name in (*files, features)} == {"as it was"}


@pytest.mark.parametrize("flags", [[], ["--workers=2"], ["--page=p.html"]])
def test_a_line_says_that_lists_may_hold_seen_items(
    flags: list[str], checkpoint: str, in_tmp: Path, capsys: Captured
) -> None:
    Path("h.csv").write_text("user_id,item_id,timestamp\nu,i1,1500000000\n")
    asked = ["recommend", checkpoint, "--users=h.csv", "--k=2", *flags]
    for seen, told in (([], True), (["--exclude-seen"], False), (["--include-seen"], False)):
        assert app.main([*asked, f"--output=lists{seen}.csv", *seen]) == 0
        assert ("--exclude-seen leaves them out" in capsys.readouterr().err) is told


def test_similar_and_search_print_tables(checkpoint: str, in_tmp: Path, capsys: Captured) -> None:
    assert app.main(["similar", checkpoint, "i1", "i2", "--k=3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == ["item", "rank", "similar", "score"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["i1"] * 3 + ["i2"] * 3
    np.save("query.npy", np.ones(12))
    for flags in (["--like=i1, i2"], ["--vector=query.npy"], ["--vector=query.npy", "--history=i1,i2"]):
        assert app.main(["search", checkpoint, *flags, "--k=2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split("\t") == ["rank", "item", "score"]
        assert len(lines) == 3


def test_export_says_what_it_wrote(checkpoint: str, in_tmp: Path, capsys: Captured) -> None:
    assert app.main(["export", checkpoint, "--format=vectors", "--output=items.npz"]) == 0
    assert capsys.readouterr().out == f"items.npz: vectors of {checkpoint}\n"
    assert app.main(["export", checkpoint, "--format=safetensors", "--output=model", "--license=mit"]) == 0
    assert "license: mit" in Path("model/README.md").read_text()
    Path("h.csv").write_text("user_id,item_id\nu,i1\n")
    flags = ["--users=h.csv", "--output=lists.csv", "--k=2", "--index=ann"]
    assert app.main(["recommend", "model", *flags]) == 0
    assert len(Path("lists.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["export", "{}", "--format=vectors", "--output=items.csv"], "ends in .parquet or .npz"),
        (["export", "{}", "--format=onnx", "--output=p.png"], "p.png: exists and is not an empty folder"),
        (["search", "{}"], "exactly one of"),
        (["search", "{}", "--like=i1", '--history="i1'], '--history: "i1: unexpected end of data'),
        (["similar", "{}", "i1", "--allow=empty.txt"], "empty.txt: no id in it"),
        (["search", "{}", "--text=a"], "cannot encode a query here"),
        (["search", "{}", "--vector=bad.npy"], "bad.npy: not a .npy file"),
        (["search", "{}", "--vector=no.npy"], "no.npy: No such file"),
        (["similar", "{}", "nothing"], 'does not know "nothing"'),
        (["similar", "{}", "i1", "--allow=no.txt"], "no.txt: No such file"),
        (["similar", "none.pth", "i1"], "none.pth: no such checkpoint file"),
        (["recommend", "{}", "--users=no.csv", "--output=lists.csv"], "no.csv: no such file"),
        (["recommend", "{}", "--users=no.csv", "--output=lists.csv", "--k=100"], "k: 100 exceeds"),
    ],
)
def test_one_line_and_2(
    arguments: list[str], line: str, checkpoint: str, in_tmp: Path, capsys: Captured
) -> None:
    Path("bad.npy").write_text("text")
    Path("empty.txt").touch()
    Image.new("RGB", (4, 4)).save("p.png")
    assert app.main([part.format(checkpoint) for part in arguments]) == 2
    said = capsys.readouterr().err
    errors = [text for text in said.splitlines() if text.startswith("error: ")]
    assert len(errors) == 1
    assert line in errors[0]


def test_help_needs_no_checkpoint(capsys: Captured) -> None:
    for name in ("recommend", "similar", "search"):
        assert app.main([name, "--help"]) == 0
        assert "--k" in capsys.readouterr().out

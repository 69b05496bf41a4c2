"""Whole runs: pictures by download, vectors, record, real data."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recbole_mmm4rec.prepare import pipeline, workspace
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.encoders import shards
from recbole_mmm4rec.prepare.encoders.pixels import PixelEncoder
from recbole_mmm4rec.prepare.settings import known_datasets, read_settings
from tests.forked import in_a_process
from tests.prepare.picture_server import serving
from tests.prepare.raw_files import AMAZON, dense_rows, feature_rows, meta, rows_of, run, write_amazon

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="shared/data is not beside the repository")


def test_downloaded_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as server:
        paths = ["ok/0", "missing/1", "png/2", "html", "", "ok/5"]
        entries = [
            entry | {"imageURLHighRes": [server.base + "/" + path] if path else []}
            for entry, path in zip(meta(), paths, strict=True)
        ]
        raw = write_amazon(tmp_path / "raw", dense_rows(), entries)
        options = "--download_options={allow_private: true, rate: 0, retries: 0}"
        assert run(raw, tmp_path, *AMAZON, "--download=True", options, "--image_encoder=pixels") == 0
    folder = tmp_path / "shop"
    assert sorted(path.name for path in (folder / "images").iterdir()) == ["I0.jpg", "I2.png", "I5.jpg"]
    assert sorted(feature_rows(folder / "shop.image.parquet")) == ["I0", "I2", "I5"]
    missing = {row["item_id"]: row["reason"] for row in rows_of(folder / "shop.missing-pictures.tsv")}
    assert missing == {
        "I1": "HTTP 404",
        "I3": "an HTML page instead of a picture",
        "I4": "no picture in the folder, no link in the metadata",
    }
    table = "shop: 8 users, 6 items, 3 pictures (50.00 %), 48 interactions, mean length 6.00"
    assert table in caplog.text
    record = json.loads((folder / "shop.prepare.json").read_text())
    assert record["statistics"]["pictures"] == 3
    assert record["vectors"] == {"image": 3}
    assert str(tmp_path) not in json.dumps(record)


def _hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background is started deaf to it


def test_ctrl_c_while_pictures_come_and_again(tmp_path: Path) -> None:
    with serving() as server:
        entries = [
            entry | {"imageURL": f"{server.base}/{'slow-header' if n else 'ok'}/{n}"}
            for n, entry in enumerate(meta())
        ]
        raw = write_amazon(tmp_path / "raw", dense_rows(), entries)
        options = "{allow_private: true, rate: 0, retries: 9, timeout: 600, concurrency: 2}"
        flags = [*AMAZON, "--download=True", f"--download_options={options}", f"--output={tmp_path}"]
        command = [sys.executable, "-m", "recbole_mmm4rec.prepare", "shop", f"--source={raw}", *flags]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c)
        while server.asked.total() < 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)[1]  # long before the timeout of a request
        assert process.returncode == 130, told
        assert "Traceback" not in told
        assert "interrupted" in told
        assert not (tmp_path / "shop").exists()
        options = "{allow_private: true, rate: 0, retries: 0, timeout: 0.3}"
        assert run(raw, tmp_path, *flags[:-2], f"--download_options={options}") == 0
        assert server.asked["/ok/0"] == 1  # it was there already
    assert [path.name for path in (tmp_path / "shop" / "images").iterdir()] == ["I0.jpg"]


def killed_at(line: str, command: list[str]) -> None:
    """A command whose process is killed where it calls a function of that name."""
    place = next(module for module in (pipeline, workspace, shutil) if hasattr(module, line))
    setattr(place, line, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    main(command)


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """The dataset is the whole old one or the whole new one, and the same command makes the new one."""
    raw = write_amazon(tmp_path / "raw", dense_rows(8), meta())
    flags = [*AMAZON, "--text_encoder=hashed", "--overwrite"]
    assert run(raw, tmp_path, *flags) == 0
    old = {path.name: path.read_bytes() for path in (tmp_path / "shop").iterdir()}
    write_amazon(raw, dense_rows(9), meta())
    command = ["shop", f"--source={raw}", *flags, f"--output={tmp_path}"]
    for line in ("write_interactions", "write_items", "_write_record", "replace_folder", "rmtree"):
        assert in_a_process(killed_at, line, command) == -signal.SIGKILL, line
        left = {path.name: path.read_bytes() for path in (tmp_path / "shop").iterdir()}
        assert left == old or (line == "rmtree" and len(rows_of(tmp_path / "shop" / "shop.inter")) == 54)
    assert run(raw, tmp_path, *flags) == 0
    assert len(rows_of(tmp_path / "shop" / "shop.inter")) == 54
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".shop.partial")] == []


def test_other_settings_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with serving() as server:
        entries = [entry | {"imageURL": f"{server.base}/ok/{n}"} for n, entry in enumerate(meta())]
        raw = write_amazon(tmp_path / "raw", dense_rows(), entries)
        fetching = ["--download=True", "--download_options={allow_private: true, rate: 0}"]
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "_write_record", stop)
            encoders = ["--text_encoder=hashed", "--image_encoder=pixels"]
            assert run(raw, tmp_path, *AMAZON, *fetching, *encoders) == 130
            assert run(raw, tmp_path, *AMAZON) == 130
        assert run(raw, tmp_path, *AMAZON, *fetching) == 0
        assert server.asked.total() == 6  # the third run took the first one's pictures
    names = {path.name for path in (tmp_path / "shop").iterdir()}
    assert names == {"shop.inter", "shop.item", "shop.prepare.json", "shop.missing-pictures.tsv", "images"}
    assert run(raw, tmp_path, *AMAZON, "--overwrite") == 0
    names = {path.name for path in (tmp_path / "shop").iterdir()}
    assert names == {"shop.inter", "shop.item", "shop.prepare.json"}


def test_the_released_text_and_the_papers(tmp_path: Path) -> None:
    from recbole_mmm4rec.prepare.hashed_text import hashed_vectors

    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    for form, text in (
        ("title-category-brand", "Thing & tool 0. Tools Kind 0. Acme."),
        ("title-brand-description", "Title: Thing &amp; <b>tool</b> 0 ; Brand: Acme ; "),
    ):
        flags = [f"--text={form}", "--text_encoder=hashed", "--overwrite"]
        assert run(raw, tmp_path, *AMAZON, *flags) == 0
        vector = feature_rows(tmp_path / "shop" / "shop.text.parquet")["I0"]
        assert vector == pytest.approx(hashed_vectors([text])[0][0].tolist(), abs=1e-6)


@needs_shared
@pytest.mark.parametrize(
    ("name", "counts", "rows"),
    [
        ("ml-latest-small", (610, 3_650, 3_627, 90_273), {"text": 3_650, "image": 3_627}),
        ("amazon-2018-scientific", (8_442, 4_385, 1_585, 59_427), {"text": 4_385, "image": 1_585}),
    ],
)
def test_real_data(tmp_path: Path, name: str, counts: tuple[int, ...], rows: dict[str, int]) -> None:
    flags = [name, f"--source={SHARED / name}", f"--output={tmp_path}", "--pictures=~"]
    assert main(flags) == 0
    record = json.loads((tmp_path / name / f"{name}.prepare.json").read_text())
    told = record["statistics"]
    assert (told["users"], told["items"], told["pictures"], told["interactions"]) == counts
    assert record["vectors"] == rows
    assert len(rows_of(tmp_path / name / f"{name}.inter")) == counts[3]


@needs_shared
def test_scientific_keeps_each_users_order(tmp_path: Path) -> None:
    name = "amazon-2018-scientific"
    assert main([name, f"--source={SHARED / name}", f"--output={tmp_path}"]) == 0
    expected: dict[str, list[str]] = {}
    for line in (SHARED / name / "interactions.csv").read_text().splitlines()[1:]:
        user, item, position = line.split(",")
        assert len(expected.setdefault(user, [])) == int(position)
        expected[user].append(item)
    found: dict[str, list[str]] = {}
    for row in rows_of(tmp_path / name / f"{name}.inter"):
        found.setdefault(row["user_id:token"], []).append(row["item_id:token"])
    assert found == expected


def test_every_property_file_is_sound(tmp_path: Path) -> None:
    names = known_datasets()
    paper = ["food", "cds", "kindle", "movies", "home"]  # pre-training
    paper += ["scientific", "pantry", "instruments", "arts", "office"]  # downstream
    assert {f"amazon-2018-{domain}" for domain in paper} <= set(names)
    for name in names:
        assert read_settings(name, tmp_path, {}).min_interactions == 5


def test_a_property_file_of_ones_own(tmp_path: Path) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    config = tmp_path / "mine.yaml"
    config.write_text("layout: amazon-2018\ninteractions: ratings.csv\nitems: meta.json\n")
    assert run(raw, tmp_path, f"--config={config}", name="mine") == 0
    config.write_text("layout: amazon-2018\ninterations: ratings.csv\n")
    assert run(raw, tmp_path, f"--config={config}", name="yours") == 2


@pytest.mark.parametrize("replaced", [None, b"half a picture"])
def test_a_picture_that_goes_while_the_command_is_at_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    replaced: bytes | None,
) -> None:
    """It was a traceback, whether the picture goes before its file is looked at or before it is decoded."""
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    (raw / "photos").mkdir()
    for n in range(6):
        Image.new("RGB", (20, 20), (40 * n, 0, 0)).save(raw / "photos" / f"I{n}.png")
    flags = [*AMAZON, "--image_encoder=pixels", "--pictures=photos"]
    monkeypatch.setattr(shards, "SHARD_ROWS", 2)
    real, encoded, gone = PixelEncoder.encode, [], raw / "photos" / "I3.png"

    def encode(self: PixelEncoder, batch: Any) -> Any:
        encoded.append(len(batch))
        gone.unlink(missing_ok=True)
        if replaced is not None:
            gone.write_bytes(replaced)
        return real(self, batch)

    monkeypatch.setattr(PixelEncoder, "encode", encode)
    assert run(raw, tmp_path, *flags) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {gone}: the picture of item 'I3' has changed while this command was at ")
    assert error.count("\n") == 1
    assert not (tmp_path / "shop").exists()
    assert encoded == [2]
    assert run(raw, tmp_path, *flags) == 0
    assert encoded == [2, 2, 1]  # the first two are not encoded again
    assert "I3" in (tmp_path / "shop" / "shop.missing-pictures.tsv").read_text()
    assert sorted(feature_rows(tmp_path / "shop" / "shop.image.parquet")) == ["I0", "I1", "I2", "I4", "I5"]


def test_pictures_that_overwriting_would_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    assert run(raw, tmp_path, *AMAZON) == 0
    pictures = tmp_path / "shop" / "images"
    pictures.mkdir()
    Image.new("RGB", (20, 20)).save(pictures / "I0.png")
    assert run(raw, tmp_path, *AMAZON, f"--pictures={pictures}", "--overwrite") == 2
    assert f"{pictures}: lies in {tmp_path / 'shop'}, which --overwrite replaces" in capsys.readouterr().err
    assert (pictures / "I0.png").is_file()
    pictures.rename(tmp_path / "photos")
    assert run(raw, tmp_path, *AMAZON, f"--pictures={tmp_path / 'photos'}", "--overwrite") == 0

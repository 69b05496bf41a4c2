"""Whatever is wrong with the raw files: one line or a counted skip, and never half a dataset."""

import gzip
import os
from pathlib import Path

import pytest

from recbole_mmm4rec.prepare import pipeline
from tests.prepare.raw_files import (
    AMAZON,
    dense_rows,
    feature_rows,
    meta,
    rows_of,
    run,
    skipped,
    write_amazon,
)


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert "\n" not in error
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize("file", ["ratings.csv.gz", "meta.json.gz"])
@pytest.mark.parametrize("cut", [0.5, 0.98])
def test_truncated_gzip(tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, cut: float) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(60), meta(), zipped=True)
    whole = (raw / file).read_bytes()
    (raw / file).write_bytes(whole[: int(len(whole) * cut)])
    assert run(raw, tmp_path, *AMAZON) == 2
    assert "gzip" in _one_line(capsys)
    assert not (tmp_path / "shop").exists()


def test_gzip_that_is_none_and_damaged_gzip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta(), zipped=True)
    whole = bytearray(gzip.compress(os.urandom(20_000)))
    whole[9_000] ^= 0xFF
    for content in (b"<html>not found</html>", bytes(whole)):
        (raw / "meta.json.gz").write_bytes(content)
        assert run(raw, tmp_path, *AMAZON) == 2
        assert "gzip" in _one_line(capsys)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{'asin': 'I9', 'title': open('x')}", "lines skipped: not a JSON object"),
        (b'{"asin": "I9", "tit', "lines skipped: not a JSON object"),
        (b"[1, 2]", "lines skipped: not a JSON object"),
        (b"[" * 100_000, "lines skipped: not a JSON object"),
        (b"{" * 100_000, "lines skipped: not a JSON object"),
        (b'{"asin": "I9", "title": "\xff\xfe"}', "lines skipped: not UTF-8"),
        (b'{"title": "nameless"}', "lines skipped: no asin"),
        (b'{"asin": [7], "title": "list"}', "lines skipped: no asin"),
    ],
)
def test_metadata_lines(tmp_path: Path, line: bytes, reason: str) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), [*meta(), line])
    assert run(raw, tmp_path, *AMAZON) == 0
    assert skipped(tmp_path)[reason] == {"count": 1, "first": "meta.json line 7"}
    assert len(rows_of(tmp_path / "shop" / "shop.item")) == 6


def test_three_titles_and_three_entries(tmp_path: Path) -> None:
    entries = [*meta(), {"asin": "I0", "title": ["", "first", "second"]}, {"asin": "I1", "title": "last"}]
    raw = write_amazon(tmp_path / "raw", dense_rows(), entries)
    assert run(raw, tmp_path, *AMAZON) == 0
    titles = [row["title:token_seq"] for row in rows_of(tmp_path / "shop" / "shop.item")]
    assert titles[:2] == ["first", "last"]
    assert skipped(tmp_path)["items with several titles: the first is taken"]["count"] == 1
    assert skipped(tmp_path)["items with several metadata entries: the last is taken"]["count"] == 2


def test_an_empty_text_gets_no_vector(tmp_path: Path) -> None:
    entries = [*meta(), {"asin": "I3", "title": "<br>", "category": [], "brand": None}]
    raw = write_amazon(tmp_path / "raw", dense_rows(), entries)
    assert run(raw, tmp_path, *AMAZON, "--text_encoder=hashed") == 0
    assert sorted(feature_rows(tmp_path / "shop" / "shop.text.parquet")) == ["I0", "I1", "I2", "I4", "I5"]
    assert skipped(tmp_path)["items without text: no text vector"]["count"] == 1


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--layout=amazn"], "layout: 'amazn' is not one of"),
        (["--min_interaction=3"], "unknown key 'min_interaction', did you mean 'min_interactions'?"),
        (["--min_interactions=many"], "min_interactions: 'many'"),
        (["--min_interactions=0"], "min_interactions: 0"),
        (["--text_encoder=bert"], "text_encoder: 'bert' is not one of"),
        (["--text={colour}"], "has no field colour"),
        (["--text={title} {brnad}"], "raw has no field brnad (did you mean 'brand'?); it has title"),
        (["--text={Maker 1} {tilte}"], "no field Maker 1, tilte (did you mean 'title'?); it has"),
        (["--min_interactions=500"], "no user and item with 500 interactions"),
        (["--items=nothing.json"], "metadata missing, looked for nothing.json"),
        (["--download=True", "--download_options={speed: 3}"], "unknown key 'speed'"),
        (["--pictures=posters"], "no such folder of pictures"),
        (["--config=none.yaml"], "none.yaml: no such file"),
        (["stray"], "'stray' is not understood"),
    ],
)
def test_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    assert run(raw, tmp_path, *AMAZON, *flags) == 2
    assert told in _one_line(capsys)
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"I0,U0,5,abc\n"])
def test_nothing_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    (raw / "ratings.csv").write_bytes(content)
    assert run(raw, tmp_path, *AMAZON) == 2
    _one_line(capsys)
    assert not (tmp_path / "shop").exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "shop.item"), KeyboardInterrupt()])
def test_stopped_in_the_middle_and_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())

    def stop(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_items", stop)
        assert run(raw, tmp_path, *AMAZON) == (130 if isinstance(error, KeyboardInterrupt) else 2)
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert not (tmp_path / "shop").exists()
    assert run(raw, tmp_path, *AMAZON) == 0
    assert len(rows_of(tmp_path / "shop" / "shop.inter")) == 48
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_second_run_needs_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    assert run(raw, tmp_path, *AMAZON) == 0
    assert run(raw, tmp_path, *AMAZON) == 2
    assert "--overwrite" in _one_line(capsys)
    write_amazon(tmp_path / "raw", dense_rows(9), meta())
    assert run(raw, tmp_path, *AMAZON, "--overwrite") == 0
    assert len(rows_of(tmp_path / "shop" / "shop.inter")) == 54


def test_two_runs_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from recbole_mmm4rec.prepare.workspace import workspace

    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    with workspace(tmp_path / "other"), workspace(tmp_path / "shop"):
        assert run(raw, tmp_path, *AMAZON) == 2
        assert "another run" in _one_line(capsys)

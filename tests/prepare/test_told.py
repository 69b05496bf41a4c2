"""What a preparation drops and lacks is said: the core, short users, stages, texts, deep nesting."""

import json
from pathlib import Path

import pytest

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

FLAGS = ["--layout=table", "--time_column=ts"]


def _write(folder: Path, rows: list[tuple[str, str]], items: str = "abcdefghij") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "items.csv").write_text("item_id,title\n" + "".join(f"{item},T {item}\n" for item in items))
    lines = [f"{user},{item},{number}\n" for number, (user, item) in enumerate(rows)]
    (folder / "interactions.csv").write_text("user_id,item_id,ts\n" + "".join(lines))


def test_what_the_core_drops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    core = [(user, item) for user in "uvwx" for item in "abcd"]
    _write(tmp_path, [*core, ("u", "e"), ("y", "a"), ("y", "f")])
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=4") == 0
    told = skipped(tmp_path / "out")
    reason = "with fewer than 4 interactions (repeated until stable)"
    where = tmp_path.name
    assert told[f"users dropped: {reason}"] == {"count": 1, "first": f"{where}, user 'y'"}
    assert told[f"items dropped: {reason}"] == {"count": 2, "first": f"{where}, item 'e'"}
    assert told[f"interactions dropped: of users or items {reason}"]["count"] == 3
    assert f"users dropped: {reason}: 1" in caplog.text


def test_an_item_is_dropped_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Items that the core dropped were counted again as items without interactions."""
    _write(tmp_path, [*[(user, item) for user in "uvwx" for item in "abcd"], ("y", "e")], items="abcdefgh")
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=4") == 0
    told = skipped(tmp_path / "out")
    dropped = {reason: entry["count"] for reason, entry in told.items() if reason.startswith("items dropped")}
    assert dropped == {
        "items dropped: with fewer than 4 interactions (repeated until stable)": 1,
        "items dropped: no interaction that can be used": 3,
    }
    assert "items: 8 rows read = 4 kept + 4 skipped" in caplog.text


DAYS = "u,a,2020-01-05,5\nu,a,2020-01-05,5\nu,a,2020-01-06,5\nu,b,2020-01-07,3\n"


@pytest.mark.parametrize(
    ("rows", "flags", "reason"),
    [
        (
            DAYS,
            ["--rating_column=stars"],
            "same user, item and rating on one day, and the times have no clock",
        ),
        (DAYS, [], "same user and item on one day, and the times have no clock"),
        (DAYS.replace("-05,", "-05 08:30,"), [], ""),
    ],
)
def test_what_a_duplicate_is(tmp_path: Path, rows: str, flags: list[str], reason: str) -> None:
    """A second purchase on one day was called an exact duplicate, and nothing could keep it."""
    _write(tmp_path, [])
    (tmp_path / "interactions.csv").write_text(f"user_id,item_id,ts,stars\n{rows}")
    flags = [*FLAGS, "--min_interactions=1", "--time_unit=date", *flags]
    assert run(tmp_path, tmp_path / "out", *flags) == 0
    told = f"{reason} (--keep_duplicates=True keeps them)" if reason else "exact duplicate"
    assert skipped(tmp_path / "out")[f"interactions dropped: {told}"]["count"] == 1
    assert run(tmp_path, tmp_path / "out", *flags, "--overwrite", "--keep_duplicates=True") == 0
    assert len(rows_of(tmp_path / "out" / "shop" / "shop.inter")) == 4
    assert not [reason for reason in skipped(tmp_path / "out") if reason.startswith("interactions dropped")]


def test_duplicates_without_times(tmp_path: Path) -> None:
    _write(tmp_path, [])
    (tmp_path / "interactions.csv").write_text("user_id,item_id,stars\nu,a,5\nu,a,5\nu,a,4\n")
    assert run(tmp_path, tmp_path / "out", FLAGS[0], "--min_interactions=1", "--rating_column=stars") == 0
    reason = (
        "interactions dropped: same user, item and rating and no times (--keep_duplicates=True keeps them)"
    )
    assert skipped(tmp_path / "out")[reason]["count"] == 1


def test_one_is_singular_and_no_table_is_not_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """``--items=~`` told of "items: 0 rows read", and one of anything was "1 items"."""
    _write(tmp_path, [("u", "a")], items="a")
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=1") == 0
    for line in (
        f"{tmp_path.name}: metadata of 1 item",
        "items: 1 row read = 1 kept + 0 skipped",
        "shop: 1 user, 1 item, 0 pictures (0.00 %), 1 interaction, mean length 1.00",
    ):
        assert line in caplog.messages
    caplog.clear()
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=1", "--items=~", "--overwrite") == 0
    assert not [line for line in caplog.messages if line.startswith("items:")]
    record = json.loads((tmp_path / "out" / "shop" / "shop.prepare.json").read_text())
    assert list(record["rows"]) == ["interactions"]


def test_an_empty_result_tells_every_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, [("u", "a"), ("u", "z"), ("", "a"), ("v", "b")])
    assert run(tmp_path, tmp_path / "out", *FLAGS) == 2
    error = capsys.readouterr().err
    assert "no user and item with 5 interactions each is left (--min_interactions); of 4 rows: " in error
    assert "interactions skipped: no user (1, first: interactions.csv line 4" in error
    assert "interactions dropped: item without metadata (1, first: interactions.csv line 3" in error
    assert "users dropped: with fewer than 5 interactions (repeated until stable) (2, first:" in error
    assert error.count("\n") == 1


def test_items_that_are_all_at_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(tmp_path, [("u", "a")])
    (tmp_path / "items.csv").write_text("item_id,title\n,T\n,U\n")
    assert run(tmp_path, tmp_path / "out", *FLAGS) == 2
    assert "no metadata in it: rows skipped: no item (2, first: items.csv line 2)" in capsys.readouterr().err


def test_users_with_two_interactions(tmp_path: Path) -> None:
    _write(tmp_path, [(user, item) for user in "uvwxy" for item in "ab"])
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=2") == 0
    reason = "every user has fewer than 3 interactions: too few to train, validate and test"
    assert skipped(tmp_path / "out")[reason]["count"] == 5
    _write(tmp_path, [("z", "a"), ("z", "b"), ("z", "c"), *[(user, item) for user in "uv" for item in "ab"]])
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=1", "--overwrite") == 0
    assert skipped(tmp_path / "out")[reason.replace("every user has", "users with")]["count"] == 2


def test_the_source_of_a_property_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from recbole_mmm4rec.prepare.cli import main

    write_amazon(tmp_path / "raw", dense_rows(), meta())
    keys = "layout: amazon-2018\ninteractions: ratings.csv\nitems: meta.json\n"
    config = tmp_path / "mine.yaml"
    config.write_text(f"source: raw\n{keys}")
    monkeypatch.chdir(tmp_path)
    assert main(["shop", f"--config={config}", "--output=out"]) == 0
    assert len(rows_of(tmp_path / "out" / "shop" / "shop.inter")) == 48
    record = json.loads((tmp_path / "out" / "shop" / "shop.prepare.json").read_text())
    assert "source" not in record["settings"]
    config.write_text(f"source: [raw]\n{keys}")
    assert main(["other", f"--config={config}"]) == 2
    assert "source: ['raw'] is not the name of a folder" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--item_fields=[]"], ["--text=~"], ["--items=~"]])
def test_a_dataset_without_any_text(tmp_path: Path, flags: list[str]) -> None:
    _write(tmp_path, [(user, item) for user in "uvw" for item in "abc"])
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=3", *flags) == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.item")
    assert [row["item_id:token"] for row in rows] == ["a", "b", "c"]
    assert "items without text: no text vector" not in skipped(tmp_path / "out")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--item_fields=[]", "--text={title}"], "has no field title; its items have no text fields"),
        (["--text=~"], "text_encoder: hashed needs a text, and the key text is null"),
        (["--items=~", "--text={title}"], "has no field title; its items have no text fields"),
    ],
)
def test_an_encoder_needs_a_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
) -> None:
    _write(tmp_path, [(user, item) for user in "uvw" for item in "abc"])
    assert (
        run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=3", "--text_encoder=hashed", *flags) == 2
    )
    error = capsys.readouterr().err
    assert told in error
    assert not error.rstrip().endswith("it has")


def test_publishers_need_metadata(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    assert run(raw, tmp_path, *AMAZON[:2], "--items=~") == 2
    assert "items: layout amazon-2018 needs a file of metadata" in capsys.readouterr().err


def test_deep_nesting_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = write_amazon(tmp_path / "raw", dense_rows(), meta())
    config = tmp_path / "mine.yaml"
    config.write_text("layout: " + "[" * 5_000)
    assert run(raw, tmp_path, f"--config={config}", name="mine") == 2
    assert f"error: {config}: not readable as YAML" in capsys.readouterr().err
    assert run(raw, tmp_path, *AMAZON, "--encoder_options=" + "{a: " * 5_000) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --encoder_options: '{a: ")
    assert error.count("\n") == 1


def test_a_text_of_one_encoder_still_needs_no_other_field(tmp_path: Path) -> None:
    _write(tmp_path, [(user, item) for user in "uvw" for item in "abc"])
    assert run(tmp_path, tmp_path / "out", *FLAGS, "--min_interactions=3", "--text_encoder=hashed") == 0
    assert set(feature_rows(tmp_path / "out" / "shop" / "shop.text.parquet")) == {"a", "b", "c"}

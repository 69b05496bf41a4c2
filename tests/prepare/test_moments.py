"""Times as people write them, and units that are wrong."""

from pathlib import Path

import pyarrow as pa
import pytest

from recbole_mmm4rec.prepare.sources.dates import AmbiguousDateError, milliseconds
from recbole_mmm4rec.prepare.sources.moments import as_milliseconds
from tests.prepare.raw_files import rows_of, run, skipped

DAY = 1_706_659_200_000  # 2024-01-31
MORNING = DAY + (8 * 60 + 30) * 60_000
FLAGS = ["--layout=table", "--min_interactions=1", "--time_column=at"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31", DAY),
        ("2024-1-31", DAY),
        ("2024/01/31", DAY),
        ("2024.01.31", DAY),
        ("20240131", DAY),
        ("31.01.2024", DAY),
        ("31/1/2024", DAY),
        ("1/31/2024", DAY),
        ("01-31-2024", DAY),
        ("31 Jan 2024", DAY),
        ("31-Jan-2024", DAY),
        ("January 31, 2024", DAY),
        ("Wed, 31 Jan 2024", DAY),
        ("2024-01-31 UTC", DAY),
        ("05/05/2024", 1_714_867_200_000),
        ("2024-01-31 08:30:00 UTC", MORNING),
        ("2024-01-31 08:30 GMT", MORNING),
        ("2024-01-31T08:30:00Z", MORNING),
        ("2024-01-31 08:30:00 +0000 UTC", MORNING),
        ("2024-01-31 08:30:00 Z", MORNING),
        ("2024-01-31T10:30:00 +02:00", MORNING),
        ("2024-01-31 03:00:00.250-0530", MORNING + 250),
        ("2024/01/31 8:30", MORNING),
        ("2024-01-31 08:30:00,5", MORNING + 500),
        ("1/31/2024 8:30 AM", MORNING),
        ("1/31/2024, 8:30:00 PM", MORNING + 12 * 3_600_000),
        ("31.01.2024 08:30:00", MORNING),
        ("20240131T083000Z", MORNING),
        ("20240131083000", MORNING),
        ("20240131 08:30", MORNING),
        ("Wed, 31 Jan 2024 08:30:00 GMT", MORNING),
        ("1/31/2024 12:00 AM", DAY),
        ("0001-01-01", -62_135_596_800_000),
    ],
)
def test_what_is_accepted(text: str, expected: int) -> None:
    assert milliseconds(text, None) == expected
    assert as_milliseconds(pa.array(["2024-01-31", text, None, "soon"]), "date").to_pylist() == [
        DAY, expected, None, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "31.01.24", "2024-31-01", "2024-02-30", "32.01.2024", "31/13/2024", "1577836800", "1577836800000",
        "2024-01-31 25:00", "1/31/2024 13:00 PM", "2024-01-31 08:30 CET", "31 Foo 2024", "2024", "yesterday",
        "2024-01-31T08:30:00+99:00", "20241301", "٢٠٢٤-٠١-٣١",
    ],
)  # fmt: skip
def test_what_is_not(text: str) -> None:
    assert milliseconds(text, None) is None
    assert as_milliseconds(pa.array([text]), "date").to_pylist() == [None]


def test_day_or_month_first() -> None:
    for text in ("03/05/2024", "03.05.2024 08:30", "3-5-2024"):
        with pytest.raises(AmbiguousDateError, match="--date_order=dmy or --date_order=mdy"):
            milliseconds(text, None)
    assert milliseconds("03/05/2024", "dmy") == 1_714_694_400_000
    assert milliseconds("03/05/2024", "mdy") == 1_709_596_800_000
    assert milliseconds("31/01/2024", "mdy") is None
    assert milliseconds("01/31/2024", "dmy") is None


def _prepare(folder: Path, times: list[object], *flags: str) -> int:
    (folder / "items.csv").write_text("item_id,title\n" + "".join(f"i{n},T\n" for n in range(len(times))))
    rows = "".join(f"u,i{number},{time}\n" for number, time in enumerate(times))
    (folder / "interactions.csv").write_text("user_id,item_id,at\n" + rows)
    return run(folder, folder / "out", *FLAGS, *flags)


def test_the_key_chooses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dates = ["13/05/2024", "03/05/2024", "04/05/2024"]
    assert _prepare(tmp_path, dates, "--time_unit=date") == 2
    error = capsys.readouterr().err
    assert error.startswith(
        "error: interactions.csv line 3: time '03/05/2024': day or month first? --date_order=dmy"
    )
    assert _prepare(tmp_path, dates, "--time_unit=date", "--date_order=dmy") == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.inter")
    assert [row["item_id:token"] for row in rows] == ["i1", "i2", "i0"]
    assert _prepare(tmp_path, dates, "--time_unit=date", "--date_order=ymd") == 2
    assert "date_order: 'ymd' is not one of dmy, mdy" in capsys.readouterr().err


def test_seconds_read_as_milliseconds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _prepare(tmp_path, [1_600_000_000, 1_600_086_400, 1_600_172_800], "--time_unit=ms") == 0
    reason = (
        "all times are in 1970: is the time unit right? (time_unit is ms; --time_unit=s makes it 2020-09-15)"
    )
    assert skipped(tmp_path / "out")[reason]["count"] == 3
    assert reason in caplog.text


@pytest.mark.parametrize("other", ["0", "1600000000"])
def test_some_times_in_1970_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, other: str) -> None:
    assert _prepare(tmp_path, [1_600_000_000_000, other, 1_600_172_800_000], "--time_unit=ms") == 0
    reason = "times in 1970, and later ones: are these unknown, or of a smaller unit? They come first"
    assert skipped(tmp_path / "out")[reason]["count"] == 1
    assert reason in caplog.text


def test_milliseconds_read_as_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _prepare(tmp_path, [1_600_000_000_000]) == 2
    error = capsys.readouterr().err
    assert "time before 1970 or after 2100 (1, first: interactions.csv line 2, user 'u', item 'i0'" in error
    assert "time '1600000000000' (time_unit is s; --time_unit=ms makes it 2020-09-13)" in error


@pytest.mark.parametrize(
    ("time", "unit", "hint"),
    [
        ("2024-01-31", "s", "(time_unit is s; --time_unit=date makes it 2024-01-31)"),
        ("31.01.2024 08:30", "ms", "(time_unit is ms; --time_unit=date makes it 2024-01-31)"),
        ("03/05/2024", "s", "--time_unit=date makes it"),
        ("1706659200", "date", "(time_unit is date; --time_unit=s makes it 2024-01-31)"),
        ("1706659200000", "date", "(time_unit is date; --time_unit=ms makes it 2024-01-31)"),
        ("1706659200000000000", "s", "(time_unit is s; --time_unit=ns makes it 2024-01-31)"),
        ("soon", "s", "time 'soon'"),
    ],
)
def test_the_unit_that_would_do_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], time: str, unit: str, hint: str
) -> None:
    assert _prepare(tmp_path, [time], f"--time_unit={unit}") == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("times", "unit", "hint"),
    [
        (["1706659200", "2024-01-31"], "s", "time '2024-01-31' (other times of this column are in s; "),
        (["1706659200", "2024-01-31"], "date", "time '1706659200' (other times of this column are dates; "),
        (["1706659200000", "1706659200"], "s", "time '1706659200000' (other times of this column are in s; "),
        (["1706659200", "soon"], "s", "time 'soon'"),
        (["1706659200", ""], "s", "time ''"),
    ],
)
def test_no_unit_is_advised_for_a_mixed_column(
    tmp_path: Path, times: list[object], unit: str, hint: str
) -> None:
    """Each of two units named the other one, which reads no more of the column."""
    assert _prepare(tmp_path, times, f"--time_unit={unit}") == 0
    (told,) = (
        entry["first"]
        for reason, entry in skipped(tmp_path / "out").items()
        if "time is" in reason or "1970" in reason
    )
    assert hint in told
    assert "--time_unit" not in told
    assert "interactions.csv line " in told


def test_compact_dates_read_as_seconds(tmp_path: Path) -> None:
    assert _prepare(tmp_path, [20240130, 20240131, 20240129]) == 0
    hint = "(time_unit is s; --time_unit=date makes it 2024-01-31)"
    assert f"all times are in 1970: is the time unit right? {hint}" in skipped(tmp_path / "out")


def test_milliseconds_among_seconds_and_other_impossible_times(tmp_path: Path) -> None:
    times = [1_600_000_000, 1_600_000_000_000, "-5", "1e300", "inf", "5e-324", "nan", 1_600_000_001]
    assert _prepare(tmp_path, times) == 0
    rows = rows_of(tmp_path / "out" / "shop" / "shop.inter")
    assert [row["timestamp:float"] for row in rows] == ["0", "1600000000", "1600000001"]
    told = skipped(tmp_path / "out")
    assert told["interactions skipped: time before 1970 or after 2100"]["count"] == 2
    assert told["interactions skipped: time is not a number"]["count"] == 3
    assert told["interactions skipped: time is not a number"]["first"].endswith("item 'i3', time '1e300'")

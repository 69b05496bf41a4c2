"""Histories of every form come to the same numbers, and times of every form to the same seconds."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.histories import BatchLayout, read_histories
from recbole_mmm4rec.recommend.moments import as_seconds

KNOWN = Catalogue(["[PAD]", "a", "b", "c", "5"], {}, True)


def numbers(histories: object, times: object = None) -> list[list[int]]:
    found, _ = read_histories(histories, times, KNOWN)
    return [part.tolist() for part in np.split(found.items, found.start[1:-1])]


@pytest.mark.parametrize(
    "histories",
    [
        [["a", "b"], ["c", 5]],
        [("a", "b"), np.array(["c", "5"], object)],
        {"u": ["a", "b"], "v": ["c", 5.0]},
        pd.DataFrame({"user_id": [7, 8, 7, 8], "item_id": ["a", "c", "b", "5"]}),
        pd.DataFrame({"user_id": ["u", "v"] * 2, "item_id": ["b", "5", "a", "c"], "timestamp": [9, 4, 3, 2]}),
    ],
)
def test_every_form_of_histories(histories: object) -> None:
    assert numbers(histories) == [[1, 2], [3, 4]]


def test_a_single_history_and_an_empty_one() -> None:
    assert numbers(["a", 5]) == [[1, 4]]
    assert numbers([]) == [[]]
    assert numbers([["a"], []]) == [[1], []]


def test_unknown_items_are_skipped_and_counted_with_their_times() -> None:
    found, unknown = read_histories([["a", "x", "b"], ["y", None]], [[1, 2, 3], [4, 5]], KNOWN)
    assert found.items.tolist() == [1, 2]
    assert found.times is not None
    assert found.times.tolist() == [1.0, 3.0]
    assert found.lengths.tolist() == [2, 0]
    assert unknown.count == 3
    assert str(unknown).startswith('"x", "y"')


def test_the_pad_is_no_item() -> None:
    assert numbers(["[PAD]", "a"]) == [[1]]


@pytest.mark.parametrize("trims", [True, False])
def test_a_batch_holds_the_last_items_and_all_their_times(trims: bool) -> None:
    found, _ = read_histories([["a", "b", "c", "5"], ["b"]], [[1, 2, 3, 4], [9]], KNOWN)
    batch = found.batch(BatchLayout("items", "length", "times", 3, trims))
    assert batch["items"].tolist() == [[2, 3, 4], [2, 0, 0]]
    assert batch["length"].tolist() == [3, 1]
    assert batch["times"].tolist() == [[2.0, 3.0, 4.0], [9.0, 0.0, 0.0]]
    one = found.of(np.array([1])).batch(BatchLayout("items", "length", "times", 3, trims))
    assert one["items"].tolist() == ([[2]] if trims else [[2, 0, 0]])
    assert one["times"].tolist() == [[9.0, 0.0, 0.0]]  # the time branch is as wide as the longest history


@pytest.mark.parametrize(
    "times",
    [
        [1_704_067_200, 1_704_067_260],
        [1_704_067_200.0, 1_704_067_260.0],
        ["2024-01-01", "2024-01-01 00:01"],
        ["1 Jan 2024", "2024-01-01T01:01:00+01:00"],
        [datetime(2024, 1, 1), datetime(2024, 1, 1, 0, 1, tzinfo=UTC)],
        [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01T00:01", tz="UTC")],
        np.array(["2024-01-01", "2024-01-01T00:01"], "datetime64[s]"),
        pd.DatetimeIndex(["2024-01-01T01:00", "2024-01-01T01:01"]).tz_localize("Europe/Berlin"),
    ],
)
def test_every_form_of_times(times: object) -> None:
    assert as_seconds(times).tolist() == [1_704_067_200.0, 1_704_067_260.0]


@pytest.mark.parametrize(
    ("times", "line"),
    [
        ([1_704_067_200_000], "looks like ms"),
        ([float("nan")], "nan is not a time"),
        (["yesterday"], "'yesterday' is not a time"),
        ([None], "None is not a time"),
        ([-5], "-5 is not a time"),
        ([True], "True is not a time"),
    ],
)
def test_what_is_no_time(times: object, line: str) -> None:
    with pytest.raises(UserError, match=line):
        as_seconds(times)


@pytest.mark.parametrize(
    ("histories", "times", "line"),
    [
        ({"u": ["a", "b"]}, {"u": [2, 1]}, "history of user 'u': times go backwards"),
        ({"u": ["a", "b"]}, {"u": [2]}, "history of user 'u': 2 items, but 1 times"),
        ({"u": ["a", "b"]}, {}, "2 items, but no times"),
        ({"u": ["a"]}, [[1]], "need times by user"),
        ([["a"], ["b"]], [[1]], "times: of 1 histories, but there are 2"),
        ("abc", None, "lists of item ids are needed, not str"),
        ({"u": "abc"}, None, "history of user 'u': a list of item ids is needed"),
        (pd.DataFrame({"user": [1]}), None, "no column user_id; it has user"),
        (
            pd.DataFrame([["u", "a", "b"]], columns=["user_id", *["item_id"] * 2]),
            None,
            "column item_id twice",
        ),
        (
            pd.DataFrame({"user_id": [1, None], "item_id": ["a", "b"]}),
            None,
            "row 2 of the table has no user_id",
        ),
        (pd.DataFrame({"user_id": [1], "item_id": ["a"]}), [[1]], "in its column timestamp"),
    ],
)
def test_histories_that_cannot_be_read(histories: object, times: object, line: str) -> None:
    with pytest.raises(UserError, match=line):
        read_histories(histories, times, KNOWN)

"""Histories as JSON lines: those of the same events in a CSV file, and a line for what is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend import json_histories
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.history_files import read_history_file

ITEMS = Catalogue(["[PAD]", "a", "b", "5"], {}, True)
EVENTS = [("ann", "a", 1.6e9), ("7", "5", 1.6e9 + 1), ("ann", "?", 1.6e9 + 2), ("ann", "5", 1.6e9 + 1)]


def read(path: Path, *lines: Any) -> tuple[dict[str, list[str]], list[float] | None, int]:
    """Histories by user, all times, and how many unknown items there are."""
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    found, unknown = read_history_file(path, ITEMS)
    items = [ITEMS.tokens[found.of(np.array([row])).items].tolist() for row in range(len(found))]
    times = None if found.times is None else found.times.tolist()
    return dict(zip(found.users.tolist(), items, strict=True)), times, unknown.count


@pytest.mark.parametrize("lines", [1, 2, 50_000])
def test_a_line_for_each_event(tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_histories, "_AT_A_TIME", lines)
    table = "user_id,item_id,timestamp\n" + "".join(f"{user},{item},{time}\n" for user, item, time in EVENTS)
    events = [{"user_id": user, "item_id": item, "timestamp": time} for user, item, time in EVENTS]
    events[1] |= {"user_id": 7, "item_id": 5.0, "more": [None]}
    found = read(tmp_path / "h.jsonl", events[0], "", *events[1:])
    assert found == read(tmp_path / "h.csv", table.rstrip())
    assert found[0] == {"ann": ["a", "5"], "7": ["5"]}


def test_a_line_for_each_user(tmp_path: Path) -> None:
    one = {"user_id": "ann", "item_id": ["b", 5, "?"], "timestamp": ["2024-01-01", 1_704_067_260, 1.8e9]}
    other = {"user_id": "bob", "item_id": ["a"], "timestamp": [1_704_067_200]}
    histories, times, unknown = read(tmp_path / "h.jsonl", one, other)
    assert (histories, unknown) == ({"ann": ["b", "5"], "bob": ["a"]}, 1)
    assert times == [1_704_067_200.0, 1_704_067_260.0, 1_704_067_200.0]
    del one["timestamp"], other["timestamp"]
    assert read(tmp_path / "h.jsonl", one, other)[:2] == (histories, None)


def test_the_mark_of_utf8_in_front(tmp_path: Path) -> None:
    assert read(tmp_path / "h.jsonl", '\ufeff{"user_id": "u", "item_id": "a"}')[0] == {"u": ["a"]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("user_id,item_id", "line 2: not a JSON object on one line: expected value at character 1$"),
        ('["u", "a"]', "line 2: expected keys and values"),
        ('{"user_id": "u", "item_id": "a"', "line 2: not a JSON object on one line: EOF .* at character 31$"),
        ({"item_id": "a"}, "line 2: 'user_id' is missing"),
        ({"user_id": "u"}, "line 2: 'item_id' is missing"),
        ({"user_id": None, "item_id": "a"}, "line 2: user_id: expected a text that is not empty or a number"),
        ({"user_id": ["u"], "item_id": "a"}, "line 2: user_id: expected one user, found a list"),
        ({"user_id": "u", "item_id": ["a", True]}, "line 2: item_id: expected a text .*found True"),
        ({"user_id": "u", "item_id": []}, "line 2: item_id: an empty list"),
        ('{"user_id": "u", "item_id": NaN}', "line 2: item_id: expected a text .*found nan"),
        ({"user_id": "u", "item_id": "a", "timestamp": [1, 2]}, "line 2: 1 of item_id, but 2 of timestamp"),
        ({"user_id": "u", "item_id": "a"}, "line 2 has no timestamp, unlike those before it"),
        ({"user_id": "u", "item_id": "a", "timestamp": 1.6e12}, "line 2: timestamp: .*looks like ms"),
        ({"user_id": "u", "item_id": "a", "timestamp": "soon"}, "line 2: timestamp: 'soon' is not a time"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: Any, said: str) -> None:
    good = {"user_id": "u", "item_id": "a", "timestamp": 1_600_000_000}
    with pytest.raises(UserError, match=f"h.jsonl: {said}"):
        read(tmp_path / "h.jsonl", good, line)


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"h\.jsonl: no row"):
        read(tmp_path / "h.jsonl")

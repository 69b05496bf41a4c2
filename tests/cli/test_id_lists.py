"""Ids of items in flags and text files, those with commas among them."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.cli.id_lists import allowed_ids, ids_of_file, ids_of_flag
from recbole_mmm4rec.errors import UserError


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a, b,,c ", ["a", "b", "c"]),
        ('"a,b",c', ["a,b", "c"]),
        ('c, "a ""b"", c"', ["c", 'a "b", c']),
        ('["a,b", "c", 5]', ["a,b", "c", 5]),
        ("[a,b]", ["[a", "b]"]),
        ('5" pipe', ['5" pipe']),
        ("", []),
    ],
)
def test_ids_of_a_flag(text: str, ids: list[Any]) -> None:
    assert ids_of_flag("--history", text) == ids


@pytest.mark.parametrize("text", ['"a,b', '"a"b,c', "[1.5]", "[true]", '[["a"]]'])
def test_one_line_for_what_are_no_ids(text: str) -> None:
    with pytest.raises(UserError, match="--like: "):
        ids_of_flag("--like", text)


def test_a_file_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(b"\xef\xbb\xbfi1\r\n\r\n a,b \r\n")
    assert ids_of_file(str(path)) == allowed_ids(str(path)) == ["i1", "a,b"]
    path.write_text("\n\n")
    assert ids_of_file(str(path)) == []
    with pytest.raises(UserError, match=r"ids\.txt: no id in it; --allow needs at least one"):
        allowed_ids(str(path))

"""What is wrong with an interaction file is said in one line, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recbole.data.dataset import Dataset

from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.data.validation import existing_datasets
from recbole_mmm4rec.errors import UserError
from tests.data.conftest import MakeConfig, Writer

HEADER = "user_id:token\titem_id:token\ttimestamp:float\n"


def complaint(config: Any) -> str:
    with pytest.raises(UserError) as caught:
        MultiModalDataset(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_dataset_that_does_not_exist_and_those_that_do(
    make_config: MakeConfig, write_inter: Writer
) -> None:
    write_inter([("u", "a", 1)], name="books")
    write_inter([("u", "a", 1)], name="arts")
    (Path(make_config()["data_path"]).parent / "empty").mkdir()
    message = complaint(make_config("bokos"))
    assert 'dataset "bokos" does not exist' in message
    assert message.endswith("data_path has: arts, books")


def test_nothing_is_ever_downloaded(
    make_config: MakeConfig, write_inter: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("asked for a download")

    monkeypatch.setattr(Dataset, "_download", refuse)
    complaint(make_config("ml-1m"))
    write_inter([("u", "a", 1), ("u", "b", 2)])
    with pytest.raises(UserError, match="nothing is downloaded"):
        MultiModalDataset(make_config())._download()


def test_no_data_path_at_all(tmp_path: Path) -> None:
    assert existing_datasets(tmp_path / "nowhere") == []


def test_no_interaction_file(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    message = complaint(make_config())
    assert str(tmp_path / "shop" / "shop.inter") in message
    assert "interaction file missing" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty file"),
        ("\n", "empty file"),
        (HEADER, "no interaction after the header"),
        (HEADER[:-1], "no interaction after the header"),
        (HEADER + "\n\n", "no interaction after the header"),
        ("item_id:token\ttimestamp:float\na\t1\n", "column user_id:token missing"),
        ("user_id:token\ttimestamp:float\na\t1\n", 'missing; line 1 has "user_id", "timestamp"'),
        ("user_id:float\titem_id:token\n1\ta\n", "column user_id is float, must be user_id:token"),
        ("user_id:token\titem_id:token_seq\n1\ta\n", "column item_id is token_seq"),
        ("user_id\titem_id:token\n1\ta\n", 'line 1, column 1 is "user_id", not name:type'),
        ("user_id:token\titem_id:word\n1\ta\n", 'line 1, column 2 is "item_id:word", not name:type'),
        ("user_id:token,item_id:token\n1,a\n", "line 1, column 1"),
        ("\ufeff" + HEADER + "u\ta\t1\n", "begins with a byte-order mark"),
        ("user_id:token\titem_id:token\t:float\n1\ta\t2\n", 'column 3 is ":float"'),
        ("user_id:token\titem_id:token\titem_id:token\n1\ta\ta\n", 'names the column "item_id" twice'),
        (
            "user_id:token\titem_id:token\ttimestamp:token\n1\ta\t2\n",
            "timestamp is token, must be timestamp:float",
        ),
        ("1\t2\t3\n4\t5\t6\n", "line 1, column 1"),
        (HEADER + "u\ta\tsoon\nu\tb\t2\n", 'timestamp is not a number in line 2 ("soon")'),
        (HEADER + "u\ta\t1\n\nu\tb\t2020-01-01\n", 'line 4 ("2020-01-01")'),
        (HEADER + "u\ta\tx\n" * 5, 'line 2 ("x"), line 3 ("x"), line 4 ("x") (5 in all)'),
        (HEADER + "u\ta\t1\nu\tb\t\n", 'timestamp is missing or not finite in line 3 ("")'),
        (HEADER + "u\ta\tnan\nu\tb\t1\n", 'line 2 ("nan")'),
        (HEADER + "u\ta\t-inf\nu\tb\tInfinity\n", 'line 2 ("-inf"), line 3 ("Infinity")'),
        (HEADER + "u\ta\nu\tb\t1\n", "not finite in line 2"),
        (HEADER + "u\ta\t1600000000\nu\tb\t-5\n", 'is before 1970 or after 2100 in line 3 ("-5")'),
        (HEADER + "u\ta\t1e300\nu\tb\t1600000000\n", 'is before 1970 or after 2100 in line 2 ("1e300")'),
        (HEADER + "u\ta\t1600000000\nu\tb\t1600000000000\n", 'line 3 ("1600000000000")'),
        (HEADER + "u\t[PAD]\t1\nu\tb\t2\n", "item_id is [PAD], which RecBole keeps for empty positions"),
        (HEADER + "u\ta\t1\n[PAD]\tb\t2\n", 'in line 3 ("[PAD]"); rename it'),
        (HEADER + "u\ta\t1\t9\nu\tb\t1\n", "more than the 3 columns of line 1: line 2 has 4"),
        (HEADER + "u\ta\t1\t\n" * 4, "line 2 has 4, line 3 has 4, line 4 has 4 (4 in all)"),
    ],
)
def test_complaints_name_file_and_place(
    make_config: MakeConfig, write_inter: Writer, content: str, words: str
) -> None:
    path = write_inter([])
    path.write_text(content)
    message = complaint(make_config())
    assert words in message
    assert str(path) in message


def test_bytes_that_are_no_text(make_config: MakeConfig, write_inter: Writer) -> None:
    path = write_inter([])
    path.write_bytes(HEADER.encode() + b"\xff\xfe\ta\t1\n")
    assert str(path) in complaint(make_config())
    path.write_bytes(b"\xff\xfe\ta\t1\n" * 2)
    assert "not text in the expected encoding" in complaint(make_config())


def test_ids_left_out_by_the_config(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("u", "a", 1), ("u", "b", 2)])
    for keys in (
        {"load_col": {"inter": ["user_id"]}},
        {"load_col": {}},
        {"unload_col": {"inter": ["item_id"]}},
    ):
        assert "needed and left out by load_col or unload_col" in complaint(make_config(**keys))


def test_another_column_that_is_no_number(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("u", "a", "good", 1)], header="user_id:token\titem_id:token\trating:float\ttimestamp:float")
    assert 'rating is not a number in line 2 ("good")' in complaint(make_config())


def test_times_in_milliseconds_throughout_are_told(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    write_inter([("u", "c", 1_600_000_000_000), ("u", "a", 1_600_000_001_000), ("u", "b", 1_600_000_002_000)])
    assert MultiModalDataset(make_config()).inter_num == 3
    assert "timestamp is in ms, and times are taken for seconds" in caplog.text


def test_unsorted_times_are_fine(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("u", "c", 3), ("u", "a", 1), ("v", "a", 9), ("u", "b", 2)])
    *_, test = MultiModalDataset(make_config()).build()
    assert test[:]["timestamp_list"].tolist() == [[1, 2, 0, 0]]


def test_features_are_looked_for_before_interactions(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("u", "a", "soon")])
    assert "feature file missing" in complaint(make_config(modalities=["text"]))


def test_a_byte_order_mark_can_be_allowed_for(make_config: MakeConfig, write_inter: Writer) -> None:
    path = write_inter([("u", "a", 1), ("u", "b", 2)])
    path.write_text("\ufeff" + path.read_text())
    assert MultiModalDataset(make_config(encoding="utf-8-sig")).inter_num == 2

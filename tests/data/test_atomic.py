"""The fast path against RecBole's own loading, on odd files and odd options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recbole.data.dataset import SequentialDataset

from recbole_mmm4rec.data import MultiModalDataset
from tests.data.conftest import MakeConfig, Writer
from tests.data.test_dataset import assert_equal_datasets

FULL = "user_id:token\titem_id:token\trating:float\ttimestamp:float\tplace:token"


@pytest.fixture
def full_file(write_inter: Writer, random_rows: Any) -> None:
    """Ratings with gaps, a third token field with gaps, repeated rows, and both feature files."""
    draw = np.random.default_rng(5)
    rows = [
        (user, item, ["", 1, 2.5, 4][draw.integers(4)], time, ["", "north", "00", "7"][draw.integers(4)])
        for user, item, time in random_rows()
    ]
    write_inter(rows + rows[:20], header=FULL)
    users = [(f"u{n}", 20 + n, "a b" if n % 2 else "c") for n in range(25)]
    write_inter(users, header="user_id:token\tage:float\ttags:token_seq", suffix="user")
    items = [(f"00{n}", f'"{n}"') for n in range(2, 15)]
    write_inter(items, header="item_id:token\ttitle:token", suffix="item")


OPTIONS: list[dict[str, Any]] = [
    {},
    {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}},
    {"load_col": {"inter": "*", "item": ["item_id", "title"]}},
    {"unload_col": {"inter": ["rating"]}},
    {"filter_inter_by_user_or_item": False},
    {"val_interval": {"rating": "[1,3)", "timestamp": "(2,30]"}},
    {"val_interval": {"place": ["north", "7"]}},
    {"rm_dup_inter": "first", "user_inter_num_interval": "[3,inf)"},
    {"rm_dup_inter": "last"},
    {"threshold": {"rating": 2}},
    {"normalize_field": ["rating", "age"]},
    {"normalize_all": True, "load_col": {"inter": ["user_id", "item_id", "timestamp", "rating"]}},
    {"numerical_features": ["rating"]},
    {"numerical_features": ["rating"], "discretization": {"rating": {"method": "ED", "bucket": 3}}},
    {"alias_of_item_id": ["place"]},
    {"unused_col": {"inter": ["rating"]}},
    {"additional_feat_suffix": ["extra"], "alias_of_item_id": ["thing"]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_do_what_they_do_in_recbole(
    make_config: MakeConfig,
    full_file: None,
    write_inter: Writer,
    options: dict[str, Any],
) -> None:
    write_inter([("x", 1), ("003", 2)], header="thing:token\tworth:float", suffix="extra")
    if options.get("rm_dup_inter"):
        # RecBole's own sort before this filter is not stable: distinct times make the order certain
        _make_times_distinct(make_config)
    assert_equal_datasets(make_config, **options)


def _make_times_distinct(make_config: MakeConfig) -> None:
    path = Path(make_config()["data_path"]) / "shop.inter"
    header, *lines = path.read_text().splitlines()
    cells = [line.split("\t") for line in lines]
    numbered = ["\t".join([*row[:3], str(n * 7 % 331), row[4]]) for n, row in enumerate(cells)]
    path.write_text("\n".join([header, *numbered]) + "\n")


ODD_FILES = {
    "numbers as tokens": [("007", "1e5", 3), ("7", "100000", 1), ("007", "1.0", 2), ("7", "1e5", 5)],
    "spaces and unicode": [("a b", " ü", 3), ("a b", "用", 1), (" a b", "ü", 2), ("a b", "ü", 9)],
    "missing items": [("a", "", 1), ("a", "x", 2), ("a", "y", 4), ("a", "x", 5)],
    "missing users": [("", "z", 1), ("a", "x", 2), ("a", "y", 4), ("a", "x", 5)],
    "duplicates": [("a", "x", 1)] * 4 + [("b", "x", 1)] * 3,
    "all times equal": [(user, item, 5) for item in "zyx" for user in "ba"],
    "quotes": [('"a"', "x", 1), ("a", '"y z"', 2), ("a", "w", 3)],
}


@pytest.mark.parametrize("name", ODD_FILES)
@pytest.mark.parametrize("separator", ["\t", ","])
def test_odd_files(make_config: MakeConfig, write_inter: Writer, name: str, separator: str) -> None:
    path = write_inter(ODD_FILES[name])
    path.write_text(path.read_text().replace("\t", separator))
    assert_equal_datasets(make_config, field_separator=separator)


def test_rows_without_user_or_item_are_left_out(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    write_inter([("a", "x", 1), ("", "x", 2), ("a", "", 3), ("a", "y", 4), ("", "", 5), ("a", "z", 6)])
    dataset = MultiModalDataset(make_config())
    assert dataset.field2id_token["item_id"].tolist() == ["[PAD]", "x", "y", "z"]
    assert dataset.inter_num == 3
    assert any("missing in line 3, 4, 6" in message for message in caplog.messages)


def test_other_encodings(make_config: MakeConfig, write_inter: Writer) -> None:
    path = write_inter([("é", "x", 1), ("é", "ü", 2), ("é", "y", 3)])
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    dataset = MultiModalDataset(make_config(encoding="latin-1"))
    assert dataset.token2id("item_id", "ü") == 2


def test_sequences_beside_interactions(make_config: MakeConfig, write_inter: Writer) -> None:
    header = "user_id:token\titem_id:token\ttimestamp:float\ttags:token_seq\tsizes:float_seq"
    rows = [
        ("a", "x", 1, "p q", "1 2"),
        ("a", "y", 2, "", "3"),
        ("a", "z", 3, "q", ""),
        ("b", "x", 1, "p", "4"),
    ]
    write_inter(rows, header=header)
    assert_equal_datasets(make_config)


def test_ties_keep_the_order_of_the_file_through_the_duplicate_filter(
    make_config: MakeConfig, write_inter: Writer
) -> None:
    rows = [("u", f"i{n}", 5) for n in range(40)]
    write_inter(rows + rows[:3])
    dataset = MultiModalDataset(make_config(rm_dup_inter="first", MAX_ITEM_LIST_LENGTH=50))
    *_, test = dataset.build()
    order = dataset.field2id_token["item_id"][test[[0]]["item_id_list"][0].numpy()]
    assert order.tolist() == [f"i{n}" for n in range(39)]


def test_sorted_and_shuffled_files_give_the_same_samples(
    make_config: MakeConfig, write_inter: Writer
) -> None:
    rows = [(f"u{n % 7}", f"i{n % 5}", n) for n in range(90)]
    shuffled = [rows[n] for n in np.random.default_rng(0).permutation(len(rows))]
    found = []
    for name, content in (("sorted", rows), ("shuffled", shuffled)):
        write_inter(content, name=name)
        dataset = MultiModalDataset(make_config(name))
        batch = dataset.build()[0][:]
        users = dataset.field2id_token["user_id"][batch["user_id"].numpy()]
        items = dataset.field2id_token["item_id"]
        targets, histories = items[batch["item_id"].numpy()], items[batch["item_id_list"].numpy()]
        found.append(sorted(zip(users, targets, map(tuple, histories), strict=True)))
    assert found[0] == found[1]


def test_unknown_split_is_recboles_error(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("a", "x", 1), ("a", "y", 2)])
    for dataset in (SequentialDataset, MultiModalDataset):
        with pytest.raises(NotImplementedError):
            dataset(make_config(eval_args={"split": {"LS": "none_at_all"}, "order": "TO"})).build()

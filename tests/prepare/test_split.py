"""Dividing a dataset."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from tests.prepare.raw_files import feature_rows, rows_of

USERS, ITEMS = 21, 12
KINDS = ["lamp", "lamp", "lamp", "pot", "pot", "book", "", "lamp", "pot", "book", "book", "book"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """``shop`` in the folder returned: every item has a kind, all but item 11 a vector."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pairs = [
        (f"u{user}", f"i{item}") for user in range(USERS) for item in rng.choice(ITEMS, 5, replace=False)
    ]
    users, items = zip(*pairs, strict=True)
    columns = {"user_id:token": users, "item_id:token": items, "timestamp:float": np.arange(len(pairs))}
    write_atomic(folder / "shop.inter", columns)
    tokens = [f"i{item}" for item in range(ITEMS)]
    write_atomic(folder / "shop.item", {"item_id:token": tokens, "kind:token": KINDS})
    write_atomic(folder / "shop.user", {"user_id:token": [f"u{user}" for user in range(USERS)]})
    matrix = np.arange(2 * ITEMS, dtype=np.float16).reshape(ITEMS, 2)
    write_feature_file(folder, "shop", "text", tokens[:-1], matrix[:-1], {"encoder": "e"})
    return tmp_path


def _split(root: Path, *flags: str, parts: tuple[str, ...] = ("a", "b")) -> int:
    return main(["split", "shop", "--parts", *parts, f"--output={root}", *flags])


def _rows(root: Path, name: str) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in rows_of(root / name / f"{name}.inter")]


@pytest.mark.parametrize("by", ["user", "item", "kind", "kind:token"])
@pytest.mark.parametrize("parts", [("a", "b"), ("a", "b", "c")])
def test_every_interaction_is_in_one_part(shop: Path, by: str, parts: tuple[str, ...]) -> None:
    assert _split(shop, f"--by={by}", parts=parts) == 0
    whole = _rows(shop, "shop")
    rows = [_rows(shop, part) for part in parts]
    assert Counter(whole) == Counter(row for part in rows for row in part)
    assert all(part == [row for row in whole if row in set(part)] for part in rows)  # their order stays
    side = 0 if by == "user" else 1
    tokens = [{row[side] for row in part} for part in rows]
    assert sum(map(len, tokens)) == len(set.union(*tokens)) == (USERS if by == "user" else ITEMS)
    vectors = feature_rows(shop / "shop" / "shop.text.parquet")
    for part, kept in zip(parts, rows, strict=True):
        items, folder = {row[1] for row in kept}, shop / part
        assert {row["item_id:token"] for row in rows_of(folder / f"{part}.item")} == items
        assert {row["user_id:token"] for row in rows_of(folder / f"{part}.user")} == {row[0] for row in kept}
        expected = {item: vectors[item] for item in items if item in vectors}
        assert feature_rows(folder / f"{part}.text.parquet") == expected
        record = json.loads((folder / f"{part}.prepare.json").read_text())
        assert record["split"] == {"dataset": "shop", "by": by}


def test_parts_by_user_have_equal_numbers_of_users_whatever_the_order_of_the_rows(shop: Path) -> None:
    assert _split(shop) == 0
    first = [{row[0] for row in _rows(shop, part)} for part in "ab"]
    assert sorted(map(len, first)) == [10, 11]
    path = shop / "shop" / "shop.inter"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert _split(shop, "--overwrite") == 0
    assert [{row[0] for row in _rows(shop, part)} for part in "ab"] == first


def test_values_stay_together_and_parts_are_of_like_size(shop: Path) -> None:
    assert _split(shop, "--by=kind") == 0
    kind = {f"i{item}": KINDS[item] for item in range(ITEMS)}
    kinds = [Counter(kind[row[1]] for row in _rows(shop, part)) for part in "ab"]
    assert not kinds[0].keys() & kinds[1].keys()
    sizes = Counter(kind[row[1]] for row in _rows(shop, "shop"))
    loads = [sum(part.values()) for part in kinds]
    assert abs(loads[0] - loads[1]) <= max(sizes.values())


def test_a_part_without_vectors_has_no_feature_file(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_feature_file(shop / "shop", "shop", "text", ["i6"], np.ones((1, 2), np.float32), {})
    assert _split(shop, "--by=kind", parts=("a", "b", "c", "d")) == 0
    there = [part for part in "abcd" if (shop / part / f"{part}.text.parquet").exists()]
    assert len(there) == 1
    assert caplog.text.count("no item has a vector in shop.text.parquet") == 3


def test_pictures_of_the_whole_are_those_of_its_parts(shop: Path) -> None:
    (shop / "shop" / "images").mkdir()
    Image.new("RGB", (8, 8), "red").save(shop / "shop" / "images" / "i3.png")
    assert _split(shop, "--by=item") == 0
    (part,) = (part for part in "ab" if "i3" in {row[1] for row in _rows(shop, part)})
    page = shop / "page.html"
    assert main(["inspect", part, f"--output={shop}", f"--page={page}"]) == 0
    assert page.read_text().count("data:image/jpeg") == 1


@pytest.mark.parametrize(
    ("flags", "parts", "told"),
    [
        ([], ("a",), "at least two different parts"),
        ([], ("a", "a"), "at least two different parts"),
        ([], ("a", "shop"), "neither of them called 'shop'"),
        (["--by=colour"], ("a", "b"), "shop.item: cannot split by 'colour': choose one of user, item, kind"),
        (["--by=kind"], ("a", "b", "c", "d", "e"), "split by kind: 4 of them cannot fill 5 parts"),
        ([], ("a", "../b"), "'../b' cannot be the name of a dataset"),
        ([], ("a", "taken"), "taken exists already"),
    ],
)
def test_what_cannot_be_split(
    shop: Path, capsys: pytest.CaptureFixture[str], flags: list[str], parts: tuple[str, ...], told: str
) -> None:
    (shop / "taken").mkdir()
    assert _split(shop, *flags, parts=parts) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in shop.iterdir()) == ["shop", "taken"]

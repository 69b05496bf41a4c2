"""Drawing users of a dataset."""

import json
from pathlib import Path

import numpy as np
import pytest

from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.cli import main
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from tests.prepare.raw_files import feature_rows, rows_of

USERS, ITEMS = 30, 40


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """``shop`` in the folder returned: half the items have a vector."""
    folder = tmp_path / "shop"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pairs = [(f"u{user}", f"i{item}") for user in range(USERS) for item in rng.choice(ITEMS, 3)]
    rng.shuffle(pairs)
    users, items = zip(*pairs, strict=True)
    columns = {"user_id:token": users, "item_id:token": items, "timestamp:float": np.arange(len(pairs))}
    write_atomic(folder / "shop.inter", columns)
    write_atomic(folder / "shop.item", {"item_id:token": [f"i{item}" for item in range(ITEMS)]})
    tokens = [f"i{item}" for item in range(0, ITEMS, 2)]
    matrix = np.arange(2 * len(tokens), dtype=np.float16).reshape(-1, 2)
    write_feature_file(folder, "shop", "text", tokens, matrix, {"encoder": "e"})
    return tmp_path


def _sample(root: Path, *flags: str, name: str = "few") -> int:
    return main(["sample", name, "--dataset=shop", f"--output={root}", *flags])


def _rows(root: Path, name: str) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in rows_of(root / name / f"{name}.inter")]


@pytest.mark.parametrize("users", [1, 7, USERS])
def test_a_sample_has_all_that_belongs_to_its_users(shop: Path, users: int) -> None:
    assert _sample(shop, f"--users={users}", "--seed=3") == 0
    rows = _rows(shop, "few")
    drawn, items = {row[0] for row in rows}, {row[1] for row in rows}
    assert len(drawn) == users
    assert rows == [row for row in _rows(shop, "shop") if row[0] in drawn]  # all of theirs, in their order
    assert {row["item_id:token"] for row in rows_of(shop / "few" / "few.item")} == items
    vectors = feature_rows(shop / "shop" / "shop.text.parquet")
    path = shop / "few" / "few.text.parquet"
    expected = {item: vectors[item] for item in items if item in vectors}
    assert (feature_rows(path) if path.exists() else {}) == expected
    record = json.loads((shop / "few" / "few.prepare.json").read_text())
    assert record["sample"] == {"dataset": "shop", "users": users, "seed": 3}


def test_dataset_and_seed_decide_whatever_the_order_of_the_rows(shop: Path) -> None:
    def drawn(*flags: str) -> set[str]:
        assert _sample(shop, "--users=10", "--overwrite", *flags) == 0
        return {row[0] for row in _rows(shop, "few")}

    first, other = drawn("--seed=1"), drawn("--seed=2")
    assert first != other
    path = shop / "shop" / "shop.inter"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert drawn("--seed=1") == first
    assert drawn() == drawn("--seed=0")


@pytest.mark.parametrize(
    ("flags", "name", "told"),
    [
        (["--users=31"], "few", "shop.inter: --users: 31 is not from 1 to 30, its users"),
        (["--users=0"], "few", "--users: 0 is not from 1 to 30"),
        (["--users=3"], "shop", "'shop' cannot be both the sample and the dataset"),
        (["--users=3"], "../few", "'../few' cannot be the name of a dataset"),
        (["--users=3"], "taken", "taken exists already"),
    ],
)
def test_what_cannot_be_drawn(
    shop: Path, capsys: pytest.CaptureFixture[str], flags: list[str], name: str, told: str
) -> None:
    (shop / "taken").mkdir()
    assert _sample(shop, *flags, name=name) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in shop.iterdir()) == ["shop", "taken"]

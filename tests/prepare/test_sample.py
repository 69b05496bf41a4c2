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


def test_features_in_text_form_come_along(shop: Path) -> None:
    (shop / "shop" / "shop.image").write_text("item_id:token\tembedding:float_seq\ni0\t1 2\ni1\t3 4\n")
    assert _sample(shop, f"--users={USERS}") == 0
    assert feature_rows(shop / "few" / "few.image.parquet") == {"i0": [1.0, 2.0], "i1": [3.0, 4.0]}


def test_a_title_with_a_double_quote(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shop / "shop" / "shop.item"
    rows = "".join(f'i{item}\tdisc, 12" {item}\n' for item in range(ITEMS))
    path.write_text(f"item_id:token\ttitle:token_seq\n{rows}")
    assert _sample(shop, "--users=3") == 0
    assert all(row["title:token_seq"].startswith("disc, 12' ") for row in rows_of(shop / "few" / "few.item"))
    path.write_text(path.read_text().replace("\ni0\t", '\ni"0\t'))
    inter = shop / "shop" / "shop.inter"
    inter.write_text(inter.read_text().replace("\ti0\t", '\ti"0\t'))
    assert _sample(shop, f"--users={USERS}", name="all") == 2
    assert "all.inter: item_id 'i\"0' has a double quote" in capsys.readouterr().err
    assert not (shop / "all").exists()


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

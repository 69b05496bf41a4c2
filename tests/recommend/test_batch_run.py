"""Files of histories to files of lists: every form, resumed after a kill, one line for what cannot be."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend import history_files, parts, shard_work
from recbole_mmm4rec.recommend.batch_run import Order, recommend_file
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.telling import RecommendWarning
from tests.recommend.trained import recommender


@pytest.fixture
def known() -> Recommender:
    return recommender("MMM4Rec")


def events(users: int = 50) -> pd.DataFrame:
    """Histories in no order; user u0 is known by unknown items only."""
    generator = np.random.default_rng(0)
    rows = [
        (f"u{user}", "?" if user == 0 else f"i{generator.integers(50)}", 1_500_000_000 + int(moment))
        for user in range(users)
        for moment in generator.choice(10**6, size=generator.integers(1, 30), replace=False)
    ]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return table.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
@pytest.mark.parametrize("output", ["lists.parquet", "lists.csv", "lists.jsonl"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_has_the_lists_of_the_table(known: Recommender, form: str, output: str, in_tmp: Path) -> None:
    table = events()
    table.to_csv("histories.csv", index=False)
    table.to_parquet("histories.parquet")
    order = Order(Path(f"histories.{form}"), Path(output), k=4, shard_users=7)
    done = recommend_file(known, order, show_progress=False)
    assert (done.users, done.left_out, done.rows) == (49, 1, 49 * 4)
    reader = {"parquet": pd.read_parquet, "csv": pd.read_csv, "jsonl": lambda p: pd.read_json(p, lines=True)}
    found = reader[output.rpartition(".")[2]](output)
    wanted = known.recommend(table, k=4)
    assert (
        found[["user", "rank", "item"]].to_numpy().tolist()
        == wanted[["user", "rank", "item"]].to_numpy().tolist()
    )
    np.testing.assert_allclose(found["score"], wanted["score"], rtol=1e-4)
    assert sorted(path.name for path in in_tmp.iterdir()) == sorted(
        ["histories.csv", "histories.parquet", output]
    )


@pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
def test_a_killed_run_goes_on_and_another_one_starts_over(
    known: Recommender, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events().to_csv("histories.csv", index=False)
    order = Order(Path("histories.csv"), Path("lists.csv"), k=3, shard_users=10)
    whole = recommend_file(known, order, show_progress=False)
    straight = Path("lists.csv").read_text()
    Path("lists.csv").unlink()

    write, written = parts.write_part, []

    def killed(path: Path, *content: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        write(path, *content)

    monkeypatch.setattr(shard_work, "write_part", killed)
    with pytest.raises(KeyboardInterrupt):
        recommend_file(known, order, show_progress=False)
    assert not Path("lists.csv").exists()
    place = Path(".lists.csv.parts")
    assert sorted(path.name for path in place.glob("part*")) == written

    again: list[str] = []
    monkeypatch.setattr(
        shard_work, "write_part", lambda path, *content: (again.append(path.name), write(path, *content))
    )
    assert recommend_file(known, order, show_progress=False) == whole
    assert Path("lists.csv").read_text() == straight
    assert not set(again) & set(written)
    assert not place.exists()

    place.mkdir()
    (place / "manifest.json").write_text(json.dumps({"plan": {"k": 3}}))
    (place / "part-00000.parquet").write_text("of another run")
    assert recommend_file(known, order, show_progress=False) == whole
    assert Path("lists.csv").read_text() == straight


def test_times_are_read_as_numbers_and_as_dates(known: Recommender, in_tmp: Path) -> None:
    Path("a.csv").write_text("item_id,user_id,timestamp,more\ni2,u,1704067260,x\ni1,u,1704067200,\n")
    Path("b.csv").write_text("user_id,item_id,timestamp\nu,i2,2024-01-01 00:01\nu,i1,2024-01-01\n")
    pd.DataFrame(
        {
            "user_id": ["u", "u"],
            "item_id": ["i2", "i1"],
            "timestamp": pd.to_datetime([60, 0], unit="s") + pd.Timedelta(days=19723),
        }
    ).to_parquet("c.parquet")
    for name in ("a.csv", "b.csv", "c.parquet"):
        histories, unknown = history_files.read_history_file(Path(name), known.catalogue)
        assert histories.items.tolist() == known.catalogue.numbers(["i1", "i2"]).tolist()
        assert histories.times is not None
        assert histories.times.tolist() == [1_704_067_200.0, 1_704_067_260.0]
        assert not unknown


@pytest.mark.parametrize(("name", "mark"), [("h.csv", ";"), ("h.csv", "\t"), ("h.tsv", "\t"), ("h.tsv", ",")])
def test_columns_are_parted_by_what_the_header_has(
    known: Recommender, name: str, mark: str, in_tmp: Path
) -> None:
    rows = [["user_id", "more, or less", "item_id", "timestamp"], ["u", "1,5", "i2", "2024-01-01"]]
    with open(name, "w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=mark).writerows(rows)
    histories, unknown = history_files.read_history_file(Path(name), known.catalogue)
    assert histories.users.tolist() == ["u"]
    assert histories.items.tolist() == known.catalogue.numbers(["i2"]).tolist()
    assert histories.times is not None
    assert not unknown


def test_a_parquet_file_with_a_column_twice(known: Recommender, in_tmp: Path) -> None:
    column = pa.array(["i1"])
    pq.write_table(pa.table([column] * 3, names=["user_id", "item_id", "item_id"]), "h.parquet")
    with pytest.raises(UserError, match=r"h\.parquet: the column item_id is there twice"):
        history_files.read_history_file(Path("h.parquet"), known.catalogue)


def test_whole_number_ids_in_parquet_are_the_texts(known: Recommender, in_tmp: Path) -> None:
    old = known.catalogue
    known.catalogue = old.with_features([*old.tokens[:-1], "55"], old.features)
    for values in ([55, 55], [55.0, 55.0]):
        table = pd.DataFrame({"user_id": [3, 4], "item_id": values})
        table.to_parquet("h.parquet")
        histories, unknown = history_files.read_history_file(Path("h.parquet"), known.catalogue)
        assert histories.users.tolist() == ["3", "4"]
        assert histories.items.tolist() == [57, 57]
        assert not unknown


@pytest.mark.parametrize(
    ("content", "order", "line"),
    [
        ("user_id,item\nu,i1\n", {}, "h.csv: no column item_id; it has user_id, item"),
        ("user_id,item_id\n,i1\n", {}, "h.csv: row 1 has no user_id"),
        ("user_id,item_id\n", {}, "h.csv: no row"),
        (
            "item,user\n",
            {},
            "no column user_id, item_id; it has item, user; name its columns user_id, item_id,",
        ),
        ("user;item_id\nu;i1\n", {}, "h.csv: no column user_id; it has user, item_id; name"),
        ("user_id,item_id,user_id\nu,i1,v\n", {}, "h.csv: the column user_id is there twice"),
        ("user_id,item_id,timestamp,timestamp\nu,i1,1,2\n", {}, "h.csv: the column timestamp is there twice"),
        ("", {}, "h.csv: the file is empty; a header with user_id, item_id is needed"),
        ("\n\n", {}, "h.csv: the file is empty"),
        ("x" * 200_000, {}, "h.csv: cannot be read"),
        ("user_id,item_id\nu,i1,i2\n", {}, "h.csv: cannot be read"),
        (
            "user_id,item_id,timestamp\nu,i1,soon\n",
            {},
            "h.csv: timestamp, in rows 1 to 1: 'soon' is not a time",
        ),
        ("user_id,item_id,timestamp\nu,i1,1704067200000\n", {}, "looks like ms"),
        (
            "user_id,item_id,timestamp\nu,i1,03/05/2024\n",
            {},
            "month first. write dates as 2024-01-31, or give",
        ),
        ("user_id,item_id\nu,?\n", {}, "no user has an item that the model knows"),
        ("user_id,item_id\nu,?\n", {"on_unknown": "raise"}, r'does not know "\?"'),
        (None, {}, "h.csv: no such file"),
        (None, {"users": Path("h.txt")}, "ends in .csv, .tsv, .parquet, .jsonl"),
        (None, {"output": Path("lists.xlsx")}, "lists.xlsx: an output ends in .parquet, .csv, .jsonl"),
        (None, {"output": Path("h.csv")}, "the output would replace the histories"),
        (None, {"k": 99}, "k: 99 exceeds"),
        (None, {"shard_users": 0}, "shard_users: 0"),
    ],
)
@pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
def test_one_line_before_any_work(
    known: Recommender, content: str | None, order: dict[str, object], line: str, in_tmp: Path
) -> None:
    if content is not None:
        Path("h.csv").write_text(content)
    wanted = {"users": Path("h.csv"), "output": Path("lists.csv"), "k": 3} | order
    with pytest.raises(UserError, match=line):
        recommend_file(known, Order(**wanted), show_progress=False)  # type: ignore[arg-type]
    assert {path.name for path in in_tmp.iterdir()} <= {"h.csv"}


def test_what_is_missing_is_counted_over_all_shards(known: Recommender, in_tmp: Path) -> None:
    events().to_csv("histories.csv", index=False)
    order = Order(Path("histories.csv"), Path("lists.parquet"), k=3, allow=["i1", "i2"], shard_users=10)
    with pytest.warns(RecommendWarning) as caught:
        recommend_file(known, order, show_progress=False)
    lines = [str(warning.message) for warning in caught]
    assert lines[1:] == [
        'histories.csv: users without an item that the model knows, left out: "u0"',
        "fewer than 3 items left after filters for 49 of 49 users",
    ]
    assert lines[0].startswith('histories.csv: the model does not know "?"')
    assert pq.read_table("lists.parquet").schema == parts.SCHEMA

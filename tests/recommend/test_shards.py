"""Many files of histories, many processes: the same lists, and nothing done twice or mixed."""

import json
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.batch_run import Outcome, recommend_file, recommend_shards
from recbole_mmm4rec.recommend.model_facts import ModelFacts
from recbole_mmm4rec.recommend.orders import Order
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.shards import Shard
from recbole_mmm4rec.recommend.telling import RecommendWarning
from recbole_mmm4rec.recommend.workers import Processes
from tests.programs import alive, finish, start_command, until
from tests.recommend.test_batch_run import events
from tests.recommend.trained import recommender, trained

pytestmark = pytest.mark.filterwarnings("ignore::recbole_mmm4rec.recommend.telling.RecommendWarning")
FILES = 5


@pytest.fixture
def known() -> Recommender:
    return recommender("MMM4Rec")


@pytest.fixture
def shards(in_tmp: Path) -> Path:
    """``histories/``: 50 users in five files of both forms."""
    folder = in_tmp / "histories"
    write_shards(folder, events())
    return folder


def write_shards(folder: Path, table: pd.DataFrame, files: int = FILES) -> None:
    folder.mkdir()
    number = table["user_id"].str[1:].astype(int) % files
    for shard, part in table.groupby(number):
        if shard % 2:
            part.to_parquet(folder / f"h{shard}.parquet")
        else:
            part.to_csv(folder / f"h{shard}.csv", index=False)


def order_for(users: Path, output: str = "lists", **more: Any) -> Order:
    return Order(users, Path(output), **{"k": 4, **more})


def by_processes(order: Order, workers: type[Processes] = Processes, count: int = 2) -> Outcome:
    path = str(trained("MMM4Rec")[0])
    return recommend_shards(
        ModelFacts.read(path), order, lambda tick: workers(path, None, order, count, tick), False
    )


def rows_of(place: Path) -> list[list[Any]]:
    """Of a file, or of all parts of a folder one after the other."""
    paths = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    return pd.concat([pd.read_parquet(path) for path in paths]).to_numpy().tolist()


def test_processes_write_what_one_writes(known: Recommender, shards: Path) -> None:
    alone = recommend_file(known, order_for(shards, "alone"), False)
    assert alone == Outcome(49, 1, 49 * 4)
    assert by_processes(order_for(shards, "together")) == alone
    assert rows_of(Path("together")) == rows_of(Path("alone"))
    assert by_processes(order_for(shards, "whole.parquet")) == alone
    assert rows_of(Path("whole.parquet")) == rows_of(Path("alone"))
    table = known.recommend(events(), k=4).sort_values(["user", "rank"])
    found = pd.read_parquet("whole.parquet").sort_values(["user", "rank"])
    assert found[["user", "item"]].to_numpy().tolist() == table[["user", "item"]].to_numpy().tolist()
    assert {path.name for path in Path("together").iterdir()} == {
        *(f"h{number}.parquet" for number in range(FILES)),
        "manifest.json",
        ".lock",
    }
    complete = json.loads(Path("together/manifest.json").read_text())["complete"]
    assert complete == {"users": 49, "left_out": 1, "rows": 49 * 4}


def test_the_users_of_one_file_are_shared_out(known: Recommender, in_tmp: Path) -> None:
    events().to_parquet("h.parquet")
    order = order_for(Path("h.parquet"), "alone", shard_users=9)
    alone = recommend_file(known, order, False)
    assert by_processes(order_for(Path("h.parquet"), "together", shard_users=9)) == alone
    assert rows_of(Path("together")) == rows_of(Path("alone"))
    assert len(list(Path("together").glob("*.parquet"))) == 6


class Dying(Processes):
    """Whose process for one shard is killed, the first time or every time."""

    once = True

    def start(self, shard: Shard, part: Path, plan: str) -> None:
        mark = Path("died")
        if shard.name == "h2" and not (self.once and mark.exists()):
            mark.touch()
            self._crew.start(shard, signal.raise_signal, signal.SIGKILL)
        else:
            super().start(shard, part, plan)


class DyingTwice(Dying):
    once = False


def test_a_killed_process_costs_its_shard_only(known: Recommender, shards: Path) -> None:
    done = recommend_file(known, order_for(shards, "alone"), False)
    assert by_processes(order_for(shards, "once"), Dying) == done
    assert Path("died").exists()
    assert rows_of(Path("once")) == rows_of(Path("alone"))
    line = "1 of 5 shards were not done, such as h2: its process was ended by signal 9, twice"
    with pytest.raises(UserError, match=line):
        by_processes(order_for(shards, "twice"), DyingTwice)
    assert {path.stem for path in Path("twice").glob("*.parquet")} == {"h0", "h1", "h3", "h4"}
    before = stamps(Path("twice"))
    assert by_processes(order_for(shards, "twice")) == done
    assert {name: stamp for name, stamp in stamps(Path("twice")).items() if name != "h2"} == before
    assert rows_of(Path("twice")) == rows_of(Path("alone"))


def stamps(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}


def test_only_what_changed_is_done_again(known: Recommender, shards: Path) -> None:
    order = order_for(shards)
    recommend_file(known, order, False)
    before = stamps(order.output)
    (order.output / "h3.parquet").write_text("half a file")
    table = pd.read_csv(shards / "h2.csv")
    table[table["user_id"] != "u2"].to_csv(shards / "h2.csv", index=False)
    done = recommend_file(known, order, False)
    assert done == Outcome(48, 1, 48 * 4)
    changed = {name for name, stamp in stamps(order.output).items() if stamp != before[name]}
    assert changed == {"h2", "h3"}
    recommend_file(known, order, False)
    assert {name for name, stamp in stamps(order.output).items() if stamp != before[name]} == changed


def test_another_run_over_the_same_folder_is_refused(known: Recommender, shards: Path) -> None:
    order = order_for(shards)
    recommend_file(known, order, False)
    before = stamps(order.output)
    with pytest.raises(UserError, match=r"lists: holds the lists of another run \(k differs\)"):
        recommend_file(known, order_for(shards, k=5), False)
    other = recommender("MMM4Rec", seed=7)
    with pytest.raises(UserError, match=r"holds the lists of another run \(checkpoint differs\)"):
        recommend_file(other, order, False)
    (shards / "h1.parquet").unlink()  # as its histories are, so is its part
    with pytest.raises(UserError, match=r"lists/h1.parquet: of no file of .*histories; remove it"):
        recommend_file(known, order, False)
    assert stamps(order.output) == before


def in_another_file(folder: Path) -> None:
    pd.read_csv(folder / "h2.csv").head(1).assign(user_id="u1", item_id="i1").to_csv(
        folder / "h7.csv", index=False
    )


def same_name(folder: Path) -> None:
    (folder / "h1.csv").write_text("user_id,item_id\nu,i1\n")


def broken(folder: Path) -> None:
    (folder / "h4.csv").write_text("user_id,item\nu,i1\n")


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def foreign_folder(folder: Path) -> None:
    Path("lists").mkdir()
    Path("lists/mine.txt").write_text("")


def foreign_file(folder: Path) -> None:
    Path("lists").write_text("")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (in_another_file, r'user "u1" is in .*h1.parquet and in .*h7.csv: all events of a user belong'),
        (same_name, r"h1.parquet and .*h1.csv: their lists would have one name"),
        (broken, r"h4.csv: no column item_id"),
        (empty, r"histories: no file of histories \(.csv, .tsv, .parquet, .jsonl\)"),
        (foreign_folder, "lists: exists and is not a folder of recommendations"),
        (foreign_file, "lists: a file; an output that is one file ends in"),
    ],
)
@pytest.mark.parametrize("run", ["alone", "together"])
def test_bad_input_is_one_line(
    known: Recommender, shards: Path, change: Callable[[Path], None], line: str, run: str
) -> None:
    change(shards)
    with pytest.raises(UserError, match=line):
        recommend_file(known, order_for(shards), False) if run == "alone" else by_processes(order_for(shards))


def test_patterns_empty_files_and_what_is_told(known: Recommender, shards: Path) -> None:
    (shards / "h8.csv").write_text("user_id,item_id\n")  # nobody, so that it lacks no times either
    with pytest.warns(RecommendWarning) as caught:
        done = recommend_file(known, order_for(shards / "*.csv", "lists"), False)
    assert done.left_out == 1
    assert len(pq.read_table("lists/h8.parquet")) == 0
    told = [str(warning.message).partition(": ")[2] for warning in caught]
    assert told[1:] == ['users without an item that the model knows, left out: "u0"']
    with pytest.raises(UserError, match=r'h0.csv: the model does not know "\?"'):
        recommend_file(known, order_for(shards, "strict", on_unknown="raise"), False)


def test_files_without_times_are_named_where_others_have_some(known: Recommender, in_tmp: Path) -> None:
    folder = in_tmp / "mixed"
    folder.mkdir()
    (folder / "new.csv").write_text("user_id,item_id,timestamp\nu,i1,5\nu,i2,9\n")
    (folder / "none.csv").write_text("user_id,item_id,timestamp\n")
    everything = order_for(folder, "lists")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecommendWarning)
        recommend_file(known, everything, False)
    (folder / "old.csv").write_text("user_id,item_id\nv,i1\n")
    with pytest.warns(RecommendWarning, match=r'mixed: no timestamp in "old.csv": the model'):
        recommend_file(known, everything, False)


@pytest.fixture
def many(in_tmp: Path) -> Iterator[Path]:
    folder = in_tmp / "histories"
    write_shards(folder, events(120), files=30)
    yield folder
    until(lambda: not alive(in_tmp), 60)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_ctrl_c_keeps_what_is_finished(known: Recommender, many: Path, in_tmp: Path) -> None:
    flags = ["recommend", str(trained("MMM4Rec")[0]), "--users=histories", "--output=lists", "--k=4"]
    running = start_command(in_tmp, *flags, "--workers=2", start_new_session=True)
    until(lambda: len(stamps(Path("lists"))) > 2)
    os.killpg(running.pid, signal.SIGINT)
    code, said = finish(running)
    assert code == 130
    assert said.splitlines()[-1] == "interrupted; the same command goes on with it"
    assert "Traceback" not in said
    kept = stamps(Path("lists"))
    assert 2 < len(kept) < 30
    assert not list(Path("lists").glob(".*.tmp"))
    code, said = finish(start_command(in_tmp, *flags, "--workers=2"))
    assert (code, said.splitlines()[0]) == (0, "lists: 476 rows for 119 users, 1 left out")
    assert {name: stamp for name, stamp in stamps(Path("lists")).items() if name in kept} == kept
    recommend_file(known, order_for(many, "alone"), False)
    assert rows_of(Path("lists")) == rows_of(Path("alone"))

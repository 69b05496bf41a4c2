"""Runs and trials on two nodes that share no folder, one of which leaves."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole_mmm4rec.benchmark.launchers import make_launcher
from recbole_mmm4rec.benchmark.ray_launcher import RayLauncher
from recbole_mmm4rec.benchmark.results import Results, run_folder
from recbole_mmm4rec.benchmark.schedule import Schedule
from recbole_mmm4rec.benchmark.single_run import do_run
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import read_json_lines
from recbole_mmm4rec.quick_start.ray_session import start_ray
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from recbole_mmm4rec.tuning.search import Search, Trials
from recbole_mmm4rec.tuning.space import Range

pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[tune]>=2.50'")

from recbole_mmm4rec.tuning.ray_search import Resources, search_with_ray
from tests.benchmark.conftest import SASREC, MakePlans
from tests.benchmark.on_nodes import CODE, CONTINUED, STUCK, run_on_node
from tests.benchmark.test_single_run import outcome
from tests.programs import until
from tests.ray_cluster import TwoNodes, two_nodes
from tests.tuning.conftest import make_search, store_of

__all__ = ["make_search"]
Logged = pytest.LogCaptureFixture


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with two_nodes(tmp_path_factory.mktemp("nodes")) as started:
        yield started


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_node_that_leaves_costs_its_runs_only(
    nodes: TwoNodes, make_plans: MakePlans, in_tmp: Path, caplog: Logged
) -> None:
    torch.set_num_threads(1)
    plans = make_plans(SASREC, {"model": "Pop"})
    alone = {plan.key: do_run(plan, in_tmp / "alone") for plan in plans}
    folder = in_tmp / "out"

    def kill_node() -> None:
        until(lambda: (nodes.folder / STUCK).exists())
        until(lambda: list(folder.glob("runs/*/saved/begun.txt")))
        nodes.kill()

    killer = threading.Thread(target=kill_node)
    killer.start()
    with caplog.at_level(logging.INFO):
        launcher = RayLauncher(folder, 2, run_on_node, nodes.address)
        assert Schedule(plans, Results(folder), launcher, 2).work() == 0
    killer.join()

    stuck = (nodes.folder / STUCK).read_text()
    assert (nodes.folder / CONTINUED).read_text() == stuck
    assert sum("left; it begins again on another" in line for line in caplog.messages) == 1
    assert "_ray_pkg_" in (nodes.folder / CODE).read_text()
    for plan in plans:
        place, record = run_folder(folder, plan.key), Results(folder).rows[plan.key]
        assert outcome(record) == outcome(alone[plan.key])
        assert record["config"] == plan.config
        wanted = names_in(run_folder(in_tmp / "alone", plan.key))
        assert names_in(place) == wanted >= {"log.txt", "record.json"}
    users = [np.load(at / f"runs/{plans[0].key}/users.npz")["rank"] for at in (folder, in_tmp / "alone")]
    assert np.array_equal(*users)
    assert not list(nodes.place("one").glob("recbole-mmm4rec-*"))


def test_trials_on_two_nodes(nodes: TwoNodes, make_search: Callable[..., Search], in_tmp: Path) -> None:
    if len(nodes.cluster.worker_nodes) == 0:
        nodes.add()
    before = list(nodes.place("two").glob("recbole-mmm4rec-*"))  # of a node that left
    search = make_search({"learning_rate": Range("choice", (0.001, 0.01))})
    search_with_ray(Trials(search), store_of(search), "exhaustive", 2, 1, Resources(), nodes.address)
    rows = read_json_lines(search.folder / "trials.jsonl")
    alone = replace(search, folder=in_tmp / "alone")
    for row in rows:
        found = Trials(alone).run(row["params"])
        assert (row["key"], row["status"], row["scores"]) == (found["key"], "finished", found["scores"])
    best = max(rows, key=lambda row: row["score"])
    made = next(alone.checkpoints(best["key"]).glob("SASRec*[0-9].pth"))
    weights = [read_checkpoint(path).state_dict for path in (search.folder / "best.pth", made)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    assert names_in(search.folder) == {"best.pth", "best.yaml", "trials.csv", "trials.jsonl", "checkpoints"}
    assert not names_in(search.folder / "checkpoints")
    assert [path for name in ("one", "two") for path in nodes.place(name).glob("recbole-mmm4rec-*")] == before


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("ray://127.0.0.1:10001", "--ray_address=ray://127.0.0.1:10001: host:port or auto is needed"),
        ("nowhere", "--ray_address=nowhere: cannot join a Ray cluster there"),
    ],
)
def test_no_cluster_there(address: str, line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=line):
        start_ray(address=address)
    with pytest.raises(UserError, match="--ray_address goes with --launcher=ray"):
        make_launcher("process", tmp_path, 1, address)

"""Which runs are done, in which order, and what is written down about them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark.launchers import HereLauncher, ProcessLauncher, make_launcher
from recbole_mmm4rec.benchmark.ray_launcher import gpu_share
from recbole_mmm4rec.benchmark.record import blank_record, failed_record
from recbole_mmm4rec.benchmark.results import Results, finished_run, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.schedule import Schedule
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import locked, read_json_lines, write_json


def make_plan(key: str, setting: str = "", seed: int = 1, **more: Any) -> RunPlan:
    config = {"valid_metric": "NDCG@10", "seed": seed, **more.pop("config", {})}
    stage = more.pop("stage", "finetune")
    return RunPlan(key, "M", "d", setting or key, seed, stage, {}, {}, config, **more)


class Fake:
    """Does runs by writing a record; those named fail, vanish or are noted."""

    def __init__(self, failing: str = "", vanishing: str = "") -> None:
        self.failing, self.vanishing = failing, vanishing
        self.done: list[str] = []

    def __call__(self, plan: RunPlan, folder: Path) -> None:
        self.done.append(plan.key)
        if plan.key == self.vanishing:
            return
        record = blank_record(plan) | {"status": "finished", "valid": {"ndcg@10": 0.5}}
        if plan.key == self.failing:
            record = failed_record(plan, "no\nluck")
        write_json(run_folder(folder, plan.key) / "record.json", record)
        if plan.stage == "pretrain":
            (run_folder(folder, plan.key) / "model.pth").touch()


def work(folder: Path, fake: Fake, *plans: RunPlan) -> int:
    return Schedule(plans, Results(folder), HereLauncher(folder, fake)).work()


def lines(folder: Path) -> list[tuple[str, str]]:
    return [(row["setting"], row["status"]) for row in read_json_lines(folder / "runs.jsonl")]


def test_pretraining_comes_first_and_once(tmp_path: Path) -> None:
    before, fake = make_plan("p", stage="pretrain"), Fake()
    assert work(tmp_path, fake, make_plan("a", pretrain=before), make_plan("b", pretrain=before)) == 0
    assert fake.done == ["p", "a", "b"]
    assert lines(tmp_path) == [("p", "finished"), ("a", "finished"), ("b", "finished")]


def test_what_is_finished_is_not_repeated(tmp_path: Path) -> None:
    work(tmp_path, Fake(failing="b"), make_plan("a"), make_plan("b"))
    again = Fake()
    assert work(tmp_path, again, make_plan("a"), make_plan("b"), make_plan("c")) == 0
    assert again.done == ["b", "c"]
    assert lines(tmp_path) == [(name, "finished") for name in "abc"]


def test_a_run_whose_folder_is_deleted_is_repeated(tmp_path: Path) -> None:
    work(tmp_path, Fake(), make_plan("a"), make_plan("b"))
    shutil.rmtree(run_folder(tmp_path, "a"))
    again = Fake()
    work(tmp_path, again, make_plan("a"), make_plan("b"))
    assert again.done == ["a"]


def test_a_run_whose_line_was_not_written_any_more_counts(tmp_path: Path) -> None:
    Fake()(make_plan("a"), tmp_path)
    again = Fake()
    work(tmp_path, again, make_plan("a"))
    assert again.done == []
    assert lines(tmp_path) == [("a", "finished")]


def test_pretraining_without_its_weights_is_repeated(tmp_path: Path) -> None:
    before = make_plan("p", stage="pretrain")
    work(tmp_path, Fake(), before)
    (run_folder(tmp_path, "p") / "model.pth").unlink()
    again = Fake()
    work(tmp_path, again, make_plan("a", pretrain=before))
    assert again.done == ["p", "a"]


def test_a_failure_is_one_line_and_stops_only_what_needs_it(tmp_path: Path) -> None:
    before, fake = make_plan("p", stage="pretrain"), Fake(failing="p")
    assert work(tmp_path, fake, make_plan("a", pretrain=before), make_plan("b")) == 2
    assert fake.done == ["p", "b"]
    rows = {row["key"]: row for row in read_json_lines(tmp_path / "runs.jsonl")}
    assert rows["p"]["error"] == "no luck"
    assert rows["a"]["error"] == "its pre-training failed: no luck"
    assert rows["b"]["status"] == "finished"


def test_a_process_that_vanishes_is_a_failure(tmp_path: Path) -> None:
    assert work(tmp_path, Fake(vanishing="a"), make_plan("a")) == 1
    assert lines(tmp_path) == [("a", "failed")]


def test_lines_of_other_seeds_stay_and_of_other_settings_go(tmp_path: Path) -> None:
    work(
        tmp_path,
        Fake(),
        make_plan("a1", "a", 1),
        make_plan("x", "gone"),
        make_plan("o", "a", config={"w": 1}),
    )
    work(tmp_path, Fake(), make_plan("a2", "a", 2))
    assert {row["key"] for row in read_json_lines(tmp_path / "runs.jsonl")} == {"a1", "a2"}
    again = Fake()
    work(tmp_path, again, make_plan("x", "renamed"))
    assert again.done == []
    assert lines(tmp_path) == [("renamed", "finished")]


def test_a_folder_has_one_benchmark_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError, match="another process is at work"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_launchers_have_names(tmp_path: Path) -> None:
    assert isinstance(make_launcher("process", tmp_path, 0), HereLauncher)
    assert isinstance(make_launcher("process", tmp_path, 2), ProcessLauncher)
    with pytest.raises(UserError, match="'slurm' is not one of process, ray"):
        make_launcher("slurm", tmp_path, 1)


@pytest.mark.parametrize(
    ("gpus", "workers", "each"), [(0, 2, 0), (1, 4, 0.25), (2, 2, 1), (8, 2, 1), (2, 3, 0.5)]
)
def test_runs_share_the_gpus_that_ray_has(gpus: float, workers: int, each: float) -> None:
    assert gpu_share(gpus, workers) == each


def test_a_half_written_file_loses_one_line(tmp_path: Path) -> None:
    work(tmp_path, Fake(), make_plan("a"), make_plan("b"))
    path = tmp_path / "runs.jsonl"
    path.write_text(path.read_text()[:-20])
    assert list(Results(tmp_path).rows) == ["a"]
    assert finished_run(tmp_path, "b") is not None
    assert json.loads((tmp_path / "runs" / "b" / "record.json").read_text())["key"] == "b"

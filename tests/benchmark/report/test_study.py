"""Which runs a report compares with which."""

import logging
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.study import Study, read_study
from recbole_mmm4rec.benchmark.report.users import UserFiles
from tests.benchmark.report.folder import make_run, write_runs

TEST = {"recall@10": 0.2, "ndcg@10": 0.1}


def ran(setting: str, model: str = "MMM4Rec", seed: int = 1, **values: Any) -> Run:
    return make_run(setting, seed, model=model, **({"test": TEST} | values))


def study(*runs: Run, **plan: Any) -> Study:
    return Study(list(runs), ReportPlan(**plan), UserFiles(Path()))


def length(count: int, named: bool = True) -> dict[str, Any]:
    key = "MAX_ITEM_LIST_LENGTH"
    return {"config": {key: count}, "changes": {key: count} if named else {}}


def test_ours_is_our_model_with_the_fewest_changes() -> None:
    runs = ran("w/o time", changes={"use_time": False}), ran("MMM4Rec"), ran("SASRec", "SASRec")
    found = study(*runs)
    assert found.ours == "MMM4Rec"
    assert found.comparison.settings == ["SASRec", "MMM4Rec"]
    assert found.comparison.reference == "MMM4Rec"


def test_the_plan_names_ours_the_baselines_and_their_groups() -> None:
    runs = ran("MMM4Rec"), ran("w/o time"), ran("SASRec", "SASRec"), ran("FDSA", "FDSA")
    found = study(*runs, ours="w/o time", baselines={"T+ID": ["FDSA", "not yet run"], "ID": ["SASRec"]})
    assert found.comparison.settings == ["FDSA", "SASRec", "w/o time"]
    assert found.comparison.groups == {"FDSA": "T+ID", "SASRec": "ID", "w/o time": ""}
    assert found.comparison.reference == "w/o time"
    assert found.without_result == ["not yet run"]


def test_settings_of_one_model_are_compared_where_there_is_no_other() -> None:
    found = study(ran("MMM4Rec"), ran("w/o time", changes={"use_time": False}))
    assert found.comparison.settings == ["w/o time", "MMM4Rec"]


def test_one_setting_has_nothing_to_be_compared_with() -> None:
    assert study(ran("MMM4Rec")).comparison.reference is None


def test_lengths_are_no_baselines_but_where_there_is_nothing_else() -> None:
    usual, short = ran("SASRec", "SASRec", **length(20, named=False)), ran("L = 5", "SASRec", **length(5))
    assert study(ran("MMM4Rec"), usual, short).comparison.settings == ["SASRec", "MMM4Rec"]
    only = study(ran("L = 5", "SASRec", **length(5)), ran("L = 9", "SASRec", **length(9)))
    assert only.comparison.settings == ["L = 5", "L = 9"]
    common = study(ran("GRU4Rec", "GRU4Rec", **length(50)), ran("SASRec", "SASRec", **length(50)))
    assert common.shortened == set()


def test_the_full_modality_subset_stays_apart() -> None:
    full = {"config": {"full_modality_only": True}}
    runs = ran("MMM4Rec"), ran("SASRec", "SASRec"), ran("MMM4Rec, full", **full), ran("FDSA", "FDSA", **full)
    found = study(*runs)
    assert found.comparison.settings == ["SASRec", "MMM4Rec"]
    assert found.full_modality.settings == ["FDSA", "MMM4Rec, full"]
    assert found.full_modality.reference == "MMM4Rec, full"
    assert study(*runs[2:]).comparison.settings == ["FDSA", "MMM4Rec, full"]


def test_failed_runs_and_pre_training_have_no_results() -> None:
    runs = (
        ran("MMM4Rec"),
        ran("A", "A", status="failed"),
        ran("B", "B", stage="pretrain"),
        ran("C", "C", test={}),
    )
    found = study(*runs)
    assert found.comparison.settings == ["MMM4Rec"]
    assert [run.setting for run in found.failed] == ["A"]
    assert [run.setting for run in found.pretraining] == ["B"]


def test_a_label_of_several_models_names_the_model(tmp_path: Path) -> None:
    entries = [
        {
            "key": model,
            "model": model,
            "dataset": "shop",
            "setting": "default",
            "status": "finished",
            "test": TEST,
        }
        for model in ("SASRec", "MMM4Rec")
    ]
    write_runs(tmp_path, entries)
    assert read_study(tmp_path).comparison.settings == ["SASRec default", "MMM4Rec default"]


def test_only_the_plans_runs_and_what_they_start_from(tmp_path: Path) -> None:
    base = {"model": "MMM4Rec", "dataset": "shop", "status": "finished", "test": TEST}
    entries = [
        base | {"key": "pre", "setting": "pre-training", "stage": "pretrain"},
        base | {"key": "new", "setting": "MMM4Rec", "pretrain_key": "pre"},
        base | {"key": "new", "setting": "an old label"},
        base | {"key": "old", "setting": "MMM4Rec"},
    ]
    write_runs(tmp_path, entries)
    (tmp_path / "plan.yaml").write_text('{"title": "Mine", "keys": ["new"], "settings": ["MMM4Rec"]}')
    found = read_study(tmp_path)
    assert [(run.key, run.setting) for run in found.runs] == [("pre", "pre-training"), ("new", "MMM4Rec")]
    assert found.plan.title == "Mine"


def test_of_a_changed_setting_the_last_run_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    base = {"model": "MMM4Rec", "dataset": "shop", "setting": "MMM4Rec", "seed": 1, "status": "finished"}
    entries = [base | {"key": "old", "test": {"recall@10": 0.9}}, base | {"key": "new", "test": TEST}]
    write_runs(tmp_path, entries)
    with caplog.at_level(logging.WARNING):
        found = read_study(tmp_path)
    assert [run.key for run in found.runs] == ["new"]
    assert "old: left out, new has the same setting and seed" in caplog.text


def test_figures_draw_the_best_of_many_settings_and_always_ours() -> None:
    others = [ran(f"B{number}", "SASRec", test={"ndcg@10": number / 100}) for number in range(1, 13)]
    found = study(ran("MMM4Rec", test={"ndcg@10": 0.001}), *others)
    assert found.drawn == ["B6", "B7", "B8", "B9", "B10", "B11", "B12", "MMM4Rec"]
    assert "Of 13 settings, the 8 best" in found.drawn_note[0]
    few = study(*others[:3])
    assert few.drawn == ["B1", "B2", "B3"]
    assert few.drawn_note == []

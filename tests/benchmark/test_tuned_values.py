"""A benchmark whose settings are searched first: the same budget for all, chosen without the test data."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from recbole_mmm4rec.benchmark.command import benchmark_command
from recbole_mmm4rec.benchmark.expansion import Expansion
from recbole_mmm4rec.benchmark.report.sections.tuning import tuning
from recbole_mmm4rec.benchmark.report.study import read_study
from recbole_mmm4rec.benchmark.results import RECORD, run_folder
from recbole_mmm4rec.benchmark.spec import read_benchmark
from recbole_mmm4rec.benchmark.tuned_values import best_values
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import read_json_lines
from tests.benchmark.conftest import COMMON, OURS, SASREC, MakePlans

SPACE = {"learning_rate": [0.01, 1e-6], "dropout_prob": [0.1, 0.5], "hidden_dropout_prob": [0.1, 0.5]}
SMALL = {key: value for key, value in COMMON.items() if key not in SPACE} | {"epochs": 1}


def write_file(folder: Path, space: dict[str, Any], *settings: dict[str, Any], **keys: Any) -> Path:
    tune = {"space": space, "max_evals": 3}
    content = {"datasets": ["tiny"], "seeds": [1, 2], "common": SMALL, "settings": [*settings], "tune": tune}
    path = folder / "tuned.yaml"
    path.write_text(yaml.safe_dump(content | keys))
    return path


def do(path: Path, **flags: str) -> tuple[int, list[dict[str, Any]]]:
    code = benchmark_command({"benchmark": str(path), "workers": "0", "output": "out"} | flags)
    return code, read_json_lines(Path("out/runs.jsonl"))


def parts(rows: list[dict[str, Any]], setting: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    own = [row for row in rows if row["setting"] == setting]
    return [row for row in own if row["trial"] is not None], [row for row in own if row["trial"] is None]


@pytest.mark.usefixtures("tiny")
def test_every_setting_is_searched_as_much_and_run_with_its_best(in_tmp: Path) -> None:
    ours = {key: value for key, value in OURS.items() if key not in SPACE}
    fixed = SASREC | {"name": "fixed", "hidden_dropout_prob": 0.3}
    path = write_file(in_tmp, SPACE, SASREC, ours, fixed, {"model": "Pop", "tune": False})
    code, rows = do(path)
    assert code == 0
    searched = {"SASRec": "hidden_dropout_prob", "MMM4Rec": "dropout_prob", "fixed": None}
    for setting, dropout in searched.items():
        trials, runs = parts(rows, setting)
        keys = {"learning_rate", dropout} - {None}
        assert len(trials) == (3 if dropout else 2)  # two rates only
        assert all(row["trial"].keys() == keys and row["seed"] == 1 for row in trials)
        assert all(row["test"] == {} and row["users"] is None and row["valid"] for row in trials)
        best = max(trials, key=lambda row: row["valid"]["ndcg@10"])
        assert [row["seed"] for row in runs] == [1, 2]
        for row in runs:
            assert row["test"]
            assert {key: row["config"][key] for key in keys} == best["trial"]
        assert runs[0]["valid"] == best["valid"]  # the same seed and values
    assert parts(rows, "Pop")[0] == []
    assert len(parts(rows, "Pop")[1]) == 2
    section = tuning(read_study(Path("out")))
    assert section is not None
    assert [(row.head, row.cells[0].text) for row in section.blocks[0].rows] == [  # type: ignore[union-attr]
        ("SASRec", "3"),
        ("MMM4Rec", "3"),
        ("fixed", "2"),
    ]
    written = {row["key"]: (run_folder(Path("out"), row["key"]) / RECORD).stat().st_mtime_ns for row in rows}
    again, after = do(path)
    assert again == 0
    assert {row["key"] for row in after} == written.keys()
    assert all(
        (run_folder(Path("out"), key) / RECORD).stat().st_mtime_ns == at for key, at in written.items()
    )


@pytest.mark.usefixtures("tiny")
def test_trials_that_fail_are_not_chosen_and_a_setting_without_a_score_is_left_out(
    in_tmp: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = SASREC | {"name": "bad", "hidden_size": 15}  # not a multiple of 2
    path = write_file(in_tmp, {"n_heads": [2, 5]}, SASREC, bad)
    code, rows = do(path, max_evals="2")
    assert code == 0  # 15 is a multiple of 5
    trials, runs = parts(rows, "bad")
    assert [row["status"] for row in sorted(trials, key=lambda row: row["trial"]["n_heads"])] == [
        "failed",
        "finished",
    ]
    assert {row["config"]["n_heads"] for row in runs} == {5}
    path = write_file(in_tmp, {"n_heads": [2, 4]}, SASREC, bad)
    code, rows = do(path)
    assert code == 1
    assert [parts(rows, name)[1] == [] for name in ("SASRec", "bad")] == [False, True]
    assert "'bad' on tiny: none of its trials has a score" in caplog.text


@pytest.mark.usefixtures("tiny")
def test_whole_numbers_may_be_drawn_from_a_range(in_tmp: Path) -> None:
    path = write_file(in_tmp, {"n_layers": "quniform 1,2,1"}, SASREC)
    expansion = Expansion(read_benchmark(path))
    assert sorted(plan.config["n_layers"] for plan in expansion.trials()) == [1, 2]


@pytest.mark.usefixtures("tiny")
def test_runs_that_become_the_same_by_what_was_chosen_are_told(
    in_tmp: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And those that are the same before anything is chosen are not."""
    fixed = SASREC | {"name": "as published", "learning_rate": 0.01}
    default = SASREC | {"name": "default", "tune": False}
    path = write_file(in_tmp, {"learning_rate": [0.01]}, SASREC, fixed, default, seeds=[1])
    assert do(path)[0] == 0
    same = [line for line in caplog.messages if "is the same run as" in line]
    assert same == ["skipped: 'as published · tiny · 1' is the same run as 'SASRec · tiny · 1'"]


def test_the_first_of_equals_is_chosen_and_a_smaller_error_is_better(make_plans: MakePlans) -> None:
    plan = make_plans(SASREC)[0]
    plan.config["valid_metric"] = "RMSE"
    trials = [plan.as_trial({"n": n}, {}) for n in range(3)]
    keys = ("a", "b", "c")
    trials = [type(plan)(**{**trial.__dict__, "key": key}) for trial, key in zip(trials, keys, strict=True)]
    rows = {
        key: {"status": "finished", "valid": {"rmse": error}}
        for key, error in zip(keys, (0.3, 0.1, 0.1), strict=True)
    }
    assert best_values(trials, rows) == {("SASRec", "tiny"): {"n": 1}}
    assert best_values(trials, {}) == {}


def test_a_trial_is_no_run_and_those_of_other_code_can_be_kept(make_plans: MakePlans) -> None:
    plan = make_plans(SASREC)[0]
    one, other = plan.as_trial({"n": 1}, {}), plan.as_trial({"n": 1}, {plan.task: "run", "x": "y"})
    assert one == other
    assert {one.key, one.task}.isdisjoint({plan.key, plan.task})
    assert plan.as_trial({"n": 1}, {one.task: "kept"}).key == "kept"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("space", "keys", "flags", "said"),
    [
        ({"learning_rate": 0.1}, {}, {}, "tune: space: learning_rate: expected a list of values"),
        ({"learning_rate": "uniform 1"}, {}, {}, "tune: space: learning_rate: expected a list of values"),
        ({"learning_rate": []}, {}, {}, "tune: space: learning_rate: expected a list of values"),
        ({"rank_seen": [True, False]}, {}, {}, "tune: 'rank_seen' decides what a score means"),
        ({"epochs": [1, 2]}, {}, {}, "'epochs' is searched over and given at the same time"),
        ({"seed": [1, 2]}, {}, {}, "'seed' in tune: space: the benchmark decides it itself"),
        (
            {"learning_rat": [1, 2]},
            {},
            {},
            "unknown key 'learning_rat' for SASRec; did you mean learning_rate",
        ),
        ({"learning_rate": [0.1, "x"]}, {}, {}, "setting 'SASRec': 'learning_rate' expects (float)"),
        ({"learning_rate": [1]}, {}, {"learning_rate": "1"}, "'learning_rate' is searched over and given at"),
        ({"learning_rate": [1]}, {}, {"max_evals": "0"}, "--max_evals expects a number above 0"),
        ({"learning_rate": [1]}, {"tune": None}, {"max_evals": "3"}, "and a benchmark with 'tune'"),
        ({}, {"tune": {"space": {}}}, {}, "tune: 'max_evals' is missing"),
    ],
)
def test_what_is_wrong_is_one_line(
    space: dict[str, Any], keys: dict[str, Any], flags: dict[str, str], said: str, in_tmp: Path
) -> None:
    path = write_file(in_tmp, space, SASREC, **keys)
    with pytest.raises(UserError) as caught:
        do(path, **flags)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("tiny")
def test_ranges_are_drawn_and_the_pretraining_is_of_no_trial(in_tmp: Path) -> None:
    setting = OURS | {"pretrain": {"dataset": "same", "epochs": 1}}
    path = write_file(in_tmp, {"learning_rate": "loguniform -8,-4", "dropout_prob": "uniform 0,0.5"}, setting)
    trials = Expansion(read_benchmark(path)).trials()
    rates = [plan.config["learning_rate"] for plan in trials]
    assert len(set(rates)) == 3
    assert all(0.0003 < rate < 0.0184 for rate in rates)
    (before,) = {plan.pretrain.key for plan in trials if plan.pretrain}
    final = Expansion(read_benchmark(path), chosen={("MMM4Rec", "tiny"): {"learning_rate": 0.5}}).plans()
    assert final[0].config["learning_rate"] == 0.5
    assert final[0].pretrain is not None
    assert final[0].pretrain.key == before
    assert Expansion(read_benchmark(path)).trials() == trials

"""Settings x datasets x seeds: values, keys, pre-training, and what is left out."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_mmm4rec.benchmark.expansion import Expansion
from recbole_mmm4rec.benchmark.run_plan import RunPlan, with_pretraining
from recbole_mmm4rec.benchmark.spec import Benchmark, find_benchmark, ready_benchmarks
from recbole_mmm4rec.data.features import write_features
from recbole_mmm4rec.errors import UserError
from tests.benchmark.conftest import OURS, SASREC, MakePlans
from tests.conftest import ITEMS, WIDTH, write_interactions


def test_every_setting_meets_every_seed(make_plans: MakePlans) -> None:
    plans = make_plans({"model": "Pop"}, {"model": "SASRec", "name": "flat", "n_layers": 1}, seeds=[1, 2])
    assert [str(plan) for plan in plans] == [
        f"{name} · tiny · {seed}" for name in ("Pop", "flat") for seed in (1, 2)
    ]
    assert len({plan.key for plan in plans}) == 4
    assert all(len(plan.key) == 16 and int(plan.key, 16) >= 0 for plan in plans)
    assert plans[3].values["seed"] == plans[3].config["seed"] == 2


def test_values_come_from_common_then_flags_then_the_setting(make_plans: MakePlans) -> None:
    setting = {"model": "SASRec", "n_layers": 1}
    plan = make_plans(setting, flags={"n_layers": "3", "hidden_size": "32", "learning_rate": "1e-2"})[0]
    assert plan.config["n_layers"] == 1
    assert plan.config["hidden_size"] == 32
    assert plan.config["learning_rate"] == 0.01
    assert plan.changes["n_layers"] == 1
    assert not {"seed", "d_state", "data_path"} & set(plan.changes)


def test_common_values_reach_the_models_that_know_them(make_plans: MakePlans) -> None:
    plain, ours = make_plans(SASREC, OURS, common={"use_time": False})
    assert "use_time" not in plain.values
    assert ours.values["use_time"] is False


@pytest.mark.parametrize(
    ("keys", "flags", "message"),
    [
        ({"common": {"n_layer": 1}}, {}, "some.yaml: unknown key 'n_layer' for Pop, SASRec; did you mean"),
        ({}, {"n_layer": "1"}, "command line: unknown key 'n_layer' for Pop, SASRec"),
        ({}, {"pretrain.dataset": "a"}, "command line: 'dataset' in --pretrain: the benchmark decides it"),
        ({}, {"pretrain.epochs": "1"}, "--pretrain.epochs: no setting is pre-trained"),
        ({"seeds": [2**33]}, {}, "seed: 8589934592 is not from 0"),
        ({}, {"pretrain.n_layer": "1"}, "command line: unknown key 'n_layer'"),
        (
            {"report": {"metrics": ["NDCG@7"]}},
            {},
            "some.yaml: report: no run measures 'ndcg@7', only recall@5",
        ),
        ({"common": {"epochs": "many"}}, {}, r"'epochs' expects \(int\)"),
    ],
)
def test_what_no_model_knows_is_refused(
    keys: dict[str, Any], flags: dict[str, str], message: str, make_plans: MakePlans
) -> None:
    with pytest.raises(UserError, match=message):
        make_plans({"model": "Pop"}, SASREC, flags=flags, **keys)


def test_a_setting_with_an_unknown_key_is_refused_with_its_name(make_plans: MakePlans) -> None:
    with pytest.raises(UserError, match=r"some\.yaml, setting 'b': unknown key 'n_layer'"):
        make_plans(SASREC, {"name": "b", "model": "SASRec", "n_layer": 1})


def test_keys_follow_what_decides_numbers(make_plans: MakePlans, tiny: Path) -> None:
    first = make_plans(SASREC)[0].key
    assert make_plans(SASREC | {"name": "renamed"})[0].key == first
    for cost in ({"show_progress": True}, {"eval_chunk_size": 7}, {"state": "CRITICAL"}):
        assert make_plans(SASREC, common=cost)[0].key == first
    assert make_plans(SASREC, common={"learning_rate": 0.5})[0].key != first
    with open(tiny / "tiny.inter", "a") as stream:
        stream.write("u0\ti1\t1600000000\n")
    assert make_plans(SASREC)[0].key != first


def test_pretraining_is_a_run_that_settings_share(make_plans: MakePlans) -> None:
    before = {"dataset": "same", "epochs": 1, "item_ids": False}
    settings = [
        OURS | {"name": name, "item_ids": name == "ID", "pretrain": before} for name in ("ID", "w/o ID")
    ]
    one, other = make_plans(*settings)
    assert one.pretrain is not None
    assert one.pretrain == other.pretrain
    assert one.pretrain.stage == "pretrain"
    assert one.pretrain.config["epochs"] == 1
    assert one.config["epochs"] == 3
    assert one.key != make_plans(OURS | {"item_ids": True})[0].key
    assert [plan.key for plan in with_pretraining([one, other])] == [one.pretrain.key, one.key, other.key]
    flagged = make_plans(settings[0], flags={"pretrain.epochs": "2"})[0]
    assert flagged.pretrain is not None
    assert (flagged.pretrain.config["epochs"], flagged.config["epochs"]) == (2, 3)
    assert RunPlan.from_dict(flagged.to_dict()) == flagged


def test_keys_of_sequential_models_are_common_to_those_alone(make_plans: MakePlans) -> None:
    pop, sasrec = make_plans({"model": "Pop"}, SASREC, common={"eval_interval_steps": 9, "ema_decay": 0.9})
    assert (pop.config["eval_interval_steps"], sasrec.config["eval_interval_steps"]) == (0, 9)
    assert (pop.config["ema_decay"], sasrec.config["ema_decay"]) == (0.0, 0.9)


def test_a_finer_curve_does_not_repeat_the_pretraining(make_plans: MakePlans) -> None:
    setting = OURS | {"pretrain": {"dataset": "same", "epochs": 1}}
    plain, finer = make_plans(setting)[0], make_plans(setting, flags={"eval_interval_steps": "9"})[0]
    assert plain.pretrain is not None
    assert plain.pretrain == finer.pretrain
    assert plain.key != finer.key


def test_a_test_set_is_never_pretrained_on(make_plans: MakePlans) -> None:
    setting = OURS | {"pretrain": {"dataset": "same"}}
    before = make_plans(setting)[0].pretrain
    assert before is not None
    assert before.config["hold_out"] is True
    with pytest.raises(UserError, match="hold_out must be True"):
        make_plans(OURS | {"pretrain": {"dataset": "same", "hold_out": False}})


@pytest.fixture
def second(tiny: Path) -> Path:
    """A second data set with texts of the same encoder and pictures that the first lacks."""
    folder = tiny.parent / "second"
    write_interactions(folder, "second", times=True)
    tokens = [f"i{item}" for item in range(ITEMS)]
    matrix = np.random.default_rng(2).normal(size=(ITEMS, WIDTH)).astype(np.float32)
    write_features(folder / "second.text.parquet", tokens, matrix, {"encoder": "random"})
    write_features(folder / "second.image.parquet", tokens, matrix, {"encoder": "other"})
    return folder


def test_pretraining_takes_the_first_other_dataset_and_the_features_in_common(
    second: Path, make_plans: MakePlans
) -> None:
    setting = OURS | {"pretrain": {"dataset": ["absent", "tiny", "second"]}}
    on_tiny, on_second = make_plans(setting, datasets=["tiny", "second"])
    assert on_tiny.pretrain is not None
    assert on_tiny.pretrain.dataset == "second"
    assert on_tiny.pretrain.config["modalities"] == ["text"]
    assert on_second.pretrain is not None
    assert on_second.pretrain.dataset == "tiny"
    assert on_second.config["modalities"] is None


def expand(benchmark: Benchmark) -> tuple[list[RunPlan], str]:
    expansion = Expansion(benchmark)
    searched = {plan.setting for plan in expansion.trials()}
    plans = expansion.plans()
    assert searched <= {plan.setting for plan in plans}
    return plans, "\n".join([*expansion.skipped, *expansion.twins])


def test_what_cannot_run_here_is_left_out_with_a_line(make_benchmark: Callable[..., Benchmark]) -> None:
    settings = [
        SASREC,
        OURS | {"name": "pictures", "modalities": ["image"]},
        OURS | {"name": "far", "pretrain": {"dataset": ["absent"]}},
        SASREC | {"name": "twin"},
        {"name": "elsewhere", "model": "SASRec", "datasets": ["other"]},
    ]
    plans, skipped = expand(make_benchmark(*settings, datasets=["tiny", "ml-1m"]))
    assert [plan.setting for plan in plans] == ["SASRec"]
    lines = skipped.splitlines()
    assert (
        "'pictures' on tiny: atomic_data/tiny/tiny.image.parquet is not there; make it with: python"
        in lines[0]
    )
    assert "'far' on tiny: nothing to pre-train on" in lines[1]
    assert "atomic_data/ml-1m is not there; make it with: python -m recbole_mmm4rec.prepare ml-1m" in lines[2]
    assert "'twin · tiny · 1' is the same run as 'SASRec · tiny · 1'" in lines[3]


def test_a_checkpoint_to_start_from_is_recorded(make_plans: MakePlans, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"weights")
    plain, warm = make_plans(OURS, OURS | {"name": "warm", "pretrained": str(tmp_path / "a.pth")})
    assert warm.config["pretrained"] == warm.changes["pretrained"] == str(tmp_path / "a.pth")
    assert "pretrained" not in plain.changes
    assert "pretrained" not in plain.config


def test_a_setting_looks_for_datasets_in_its_own_folder(
    make_benchmark: Callable[..., Benchmark], tiny: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(tiny, elsewhere / "tiny")
    (elsewhere / "tiny").rename(elsewhere / "moved")
    for file in list((elsewhere / "moved").iterdir()):
        file.rename(file.with_name(file.name.replace("tiny", "moved")))
    plans, skipped = expand(
        make_benchmark(SASREC, SASREC | {"name": "there", "data_path": str(elsewhere)}, datasets=["moved"])
    )
    assert [plan.setting for plan in plans] == ["there"]
    assert "atomic_data/moved is not there" in skipped


def test_nothing_to_run_is_refused(make_plans: MakePlans) -> None:
    with pytest.raises(UserError, match="nothing to run; skipped: atomic_data/absent is not there"):
        make_plans(SASREC, datasets=["absent"])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", sorted(set(ready_benchmarks())))
def test_ready_files_are_checked_on_any_dataset(name: str) -> None:
    benchmark = find_benchmark(name).narrowed(["tiny"], [1])
    if name == "table4":  # needs pictures
        with pytest.raises(UserError, match=r"tiny\.image\.parquet is not there"):
            expand(benchmark)
        return
    plans, skipped = expand(benchmark)
    left_out = {line.split("'")[1] for line in skipped.splitlines()}
    assert {plan.setting for plan in plans} | left_out >= {
        setting.name for setting in benchmark.settings if setting.runs_on("tiny")
    }

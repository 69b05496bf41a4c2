"""Values of another shape than their key's end in one line, before anything works with them."""

from pathlib import Path
from typing import Any, get_args

import pytest

from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host import value_shapes
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.training import optimisers, trainer
from tests.quick_start.test_whole_run import QUIET

ALL = ["user_id", "item_id", "timestamp"]
WRONG: list[tuple[str, Any]] = [
    ("model", True),
    ("model", ["SASRec"]),
    ("dataset", 7),
    ("dataset", ""),
    ("valid_metric", None),
    ("valid_metric", 5),
    ("metrics", [5]),
    ("metrics", ["Recall", "RMSE"]),
    ("topk", [10, True]),
    ("topk", []),
    ("topk", [0]),
    ("topk", [1.5]),
    ("load_col", ["user_id"]),
    ("load_col", {"inter": "user_id"}),
    ("load_col", {"inter": [1]}),
    ("load_col", {"inter": None}),
    ("load_col", {"inter": ["user_id"]}),
    ("load_col", {"inter": ALL, "item": ["class"]}),
    ("unload_col", {"inter": ["item_id"]}),
    ("checkpoint_dir", 1.5),
    ("checkpoint_dir", None),
    ("data_path", None),
    ("pretrained", 3.0),
    ("resume", 3.0),
    ("eval_args", {"split": None}),
    ("eval_args", {"split": "RS"}),
    ("eval_args", {"split": {"RS": [1]}}),
    ("eval_args", {"split": {"RS": ["a", "b", "c"]}}),
    ("eval_args", {"order": None}),
    ("eval_args", {"group_by": 5}),
    ("eval_args", {"group_by": "item_id"}),
    ("eval_args", {"split": {}}),
    ("eval_args", {"split": {"RS": [8, 1, 1], "LS": "test_only"}}),
    ("eval_args", {"split": {"RS": [0, 0, 0]}}),
    ("eval_args", {"split": {"TS": [0, 0, 1]}}),
    ("eval_args", {"mode": "uni"}),
    ("eval_args", {"mode": "nonsense"}),
    ("eval_args", {"spilt": {"LS": "valid_and_test"}}),
    ("train_neg_sample_args", {"sample_num": "a"}),
    ("train_neg_sample_args", {"uniform": 1}),
    ("learning_rate", float("inf")),
    ("weight_decay", float("nan")),
    ("weight_decay", "automatic"),
    ("learner", "nope"),
    ("stopping_step", -1),
    ("patience", 0),
    ("user_inter_num_interval", "nope"),
    ("user_inter_num_interval", "[5,inf"),
    ("val_interval", {"rating": None}),
    ("USER_ID_FIELD", None),
    ("ITEM_ID_FIELD", 5),
    ("clip_grad_norm", {"max_norm": "a"}),
    ("clip_grad_norm", {"max_norm": 0}),
    ("state", "loud"),
    ("worker", -1),
    ("metric_decimal_place", -3),
    ("field_separator", ""),
    ("encoding", "nope"),
    ("threshold", {"rating": "a"}),
    ("rm_dup_inter", "maybe"),
    ("state_every", 0),
    ("save_every", -1),
]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("key", "value"), WRONG)
def test_what_cannot_be_is_one_line(key: str, value: Any) -> None:
    with pytest.raises(UserError) as caught:
        RunConfig(config_dict={"model": "BPR", "dataset": "tiny", key: value})
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300
    assert key in line or "metrics" in line


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("load_col", {"inter": "*"}),
        ("load_col", {"inter": ALL, "item": "*"}),
        ("load_col", None),
        ("unload_col", {"inter": ["timestamp"]}),
        ("topk", 5),
        ("metrics", "Recall"),
        ("eval_args", {"mode": {"valid": "uni10"}, "split": {"RS": [8, 1, 1]}, "order": "RO"}),
        ("eval_args", {"split": {"TS": [0.8, 0.1, 0.1]}, "group_by": "user"}),
        ("user_inter_num_interval", "[5,inf)"),
        ("item_inter_num_interval", "[0,3];(7,9]"),
        ("val_interval", {"timestamp": "[1,2)", "place": ["north", "7"]}),
        ("train_neg_sample_args", {"distribution": "popularity", "sample_num": 2, "alpha": 0.5}),
        ("weight_decay", 0),
        ("learner", "Adam"),
        ("clip_grad_norm", {"max_norm": 5, "norm_type": 2}),
        ("state", "warning"),
        ("rm_dup_inter", "first"),
        ("TIME_FIELD", None),
        ("encoding", "utf-8-sig"),
    ],
)
def test_what_recbole_takes_is_taken(key: str, value: Any) -> None:
    base = {"topk": [5], "metrics": ["Recall"], "valid_metric": "Recall@5"}
    assert RunConfig("BPR", "tiny", config_dict={**base, key: value})


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_nothing_of_a_file_means_nothing(model: str) -> None:
    """RecBole says so by leaving the file out, and fails on None."""
    values = {**QUIET, "epochs": 1}
    without = run(model, "tiny", config_dict={**values, "load_col": {"inter": ALL}})
    nothing = run(model, "tiny", config_dict={**values, "load_col": {"inter": ALL, "item": None}})
    assert without["test_result"] == nothing["test_result"]


@pytest.mark.usefixtures("tiny")
def test_recboles_own_trainers_do_not_take_adam_for_nadam() -> None:
    with pytest.raises(UserError, match="learner: RecBole's trainer of this model has no nadam"):
        RunConfig("BPR", "tiny", config_dict={"learner": "nadam"})
    assert RunConfig("SASRec", "tiny", config_dict={"learner": "nadam"})


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "values", "said"),
    [
        ("SASRec", {"rate_schedule": "linear"}, "rate_schedule: 'linear' is not one of constant, cosine"),
        ("SASRec", {"warmup_epochs": -1}, "warmup_epochs: -1 is not from 0"),
        ("SASRec", {"rate_schedule": "cosine", "warmup_epochs": 3, "epochs": 3}, "below the 3 epochs"),
        ("SASRec", {"ema_decay": 1.0}, "ema_decay: 1.0 is not from 0 to below 1"),
        ("SASRec", {"moved_rate_scale": -0.1}, "moved_rate_scale: -0.1 is below 0"),
        ("SASRec", {"item_rate_scale": -1.0}, "item_rate_scale: -1.0 is below 0"),
        ("SASRecT", {"co_occurrence": -0.1}, "co_occurrence: -0.1 is below 0"),
        ("SASRecT", {"co_occurrence": "on"}, "co_occurrence: 'on' is neither a number nor auto"),
        ("BPR", {"moved_rate_scale": 0.5}, "moved_rate_scale: RecBole's code of this model does not"),
        ("MMM4Rec", {"gap_norm": "fixed", "gap_log": False}, "gap_norm: fixed is a scale for logarithms"),
        ("TiM4Rec", {"gap_norm": "fixed", "gap_log": False}, "gap_norm: fixed is a scale for logarithms"),
        ("BPR", {"stage": "pretrain"}, "stage: RecBole's code of this model does not have it"),
        ("Pop", {"hold_out": False}, "hold_out: RecBole's code of this model does not have it"),
        ("BPR", {"accumulation_steps": 4}, "accumulation_steps: RecBole's code of this model does not"),
        ("BPR", {"precision": "bf16"}, "precision: RecBole's code of this model does not have it"),
        ("BPR", {"ema_decay": 0.9}, "ema_decay: RecBole's code of this model does not have it"),
        ("BPR", {"eval_interval_steps": 9}, "eval_interval_steps: RecBole's code of this model does not"),
        ("SASRec", {"eval_interval_steps": -1}, "eval_interval_steps: expected a number not below 0"),
        ("BPR", {"warmup_epochs": 1}, "warmup_epochs: RecBole's code of this model does not have it"),
        ("Pop", {"rate_schedule": "cosine"}, "rate_schedule: RecBole's code of this model does not"),
    ],
)
def test_what_steps_cannot_be(model: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        RunConfig(model, "tiny", config_dict=values)


@pytest.mark.usefixtures("tiny")
def test_recboles_sequential_models_take_averages_and_schedules() -> None:
    values = {"ema_decay": 0.99, "rate_schedule": "cosine", "warmup_epochs": 0.5}
    assert RunConfig("SASRec", "tiny", config_dict=values)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--dataset="], "command line: 'dataset' is empty"),
        (["--model=", "--dataset=tiny"], "command line: 'model' is empty"),
        (["--dataset=tiny", "--pretrained="], "command line: 'pretrained' is empty"),
        (["--resume", ""], "command line: 'resume' is empty"),
        (["--dataset=tiny", f"--topk={'[' * 3000}"], "command line: a value is nested too deeply: [["),
        (["--config_files=deep.yaml"], "deep.yaml: not readable as YAML (nested too deeply)"),
        (["--config_files=model.yaml"], "model.yaml: model: expected a text, found True"),
        (
            ["--model=BPR", "--dataset=tiny", "--valid_metric=~"],
            "command line: valid_metric: expected a text",
        ),
    ],
)
def test_nonsense_on_the_command_line(flags: list[str], said: str, in_tmp: Path, capfd: Any) -> None:
    (in_tmp / "deep.yaml").write_text(f"topk: {'[' * 3000}")
    (in_tmp / "model.yaml").write_text("model: True\ndataset: tiny\n")
    assert main(flags) == 2
    assert f"error: {said}" in capfd.readouterr().err
    assert not (in_tmp / "saved").exists()


@pytest.mark.usefixtures("tiny")
def test_a_checkpoint_whose_settings_have_other_types(in_tmp: Path) -> None:
    import torch

    from recbole_mmm4rec import load_data_and_model

    path = run("BPR", "tiny", config_dict={**QUIET, "epochs": 1})["checkpoint"]
    state = torch.load(path, weights_only=True)
    for part, value in (
        ("config", {**state["config"], "model": 5}),
        ("config", {**state["config"], "eval_args": [1]}),
        ("config", {"model": "BPR"}),
        ("config", [1]),
        ("state_dict", [1]),
        ("state_dict", {"user_embedding.weight": torch.zeros(1)}),
        ("item_tokens", 5),
        ("item_tokens", [1]),
        ("other_tokens", [1]),
    ):
        torch.save({**state, part: value}, in_tmp / "odd.pth")
        with pytest.raises(UserError, match=r"odd\.pth") as caught:
            load_data_and_model(str(in_tmp / "odd.pth"))
        assert "\n" not in str(caught.value), part


def test_lists_of_choices_that_stand_twice_are_alike() -> None:
    assert set(value_shapes.LEARNERS) == set(optimisers.LEARNERS)
    assert get_args(value_shapes.Shapes.model_fields["precision"].annotation) == trainer.PRECISIONS

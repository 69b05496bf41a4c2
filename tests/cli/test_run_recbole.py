"""The command line: what is parsed, what is refused, what is printed."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.cli import run_recbole as cli
from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.host.config_checks import documented_keys, is_text
from recbole_mmm4rec.host.flags import parse, typed_value, typed_values
from recbole_mmm4rec.host.property_files import Key

TEXT_KEY, LIST_KEY = Key("a", "b", "str", ""), Key("a", [], "list of int", "")


def test_flags_are_parsed_in_three_forms() -> None:
    flags = parse(["--a=1", "--b", "two words", "--c", "--d=x=y", "--e", "-1", "--f="])
    assert flags == {"a": "1", "b": "two words", "c": "True", "d": "x=y", "e": "-1", "f": ""}


@pytest.mark.parametrize("arguments", [["SASRec"], ["-a=1"], ["--=1"], ["--a=1", "--a=2"]])
def test_what_is_no_flag_is_refused(arguments: list[str]) -> None:
    with pytest.raises(UserError, match=r"^command line: "):
        parse(arguments)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("1e-4", 1e-4),
        ("5e-5", 5e-5),
        ("-3", -3),
        (".5", 0.5),
        ("[1,2]", [1, 2]),
        ("['a', b]", ["a", "b"]),
        ("{'RS':[0.8,0.1,0.1]}", {"RS": [0.8, 0.1, 0.1]}),
        ("True", True),
        ("false", False),
        ("~", None),
        ("None", None),
        ("null", None),
        ("[5,inf)", "[5,inf)"),
        ("2020-01-01", "2020-01-01"),
        ("NDCG@10", "NDCG@10"),
        ("__import__('os').getcwd()", "__import__('os').getcwd()"),
        ("!!python/name:os.system", "!!python/name:os.system"),
    ],
)
def test_values_mean_what_yaml_says_and_never_run(raw: str, value: Any) -> None:
    assert typed_value(raw, None) == value
    assert type(typed_value(raw, None)) is type(value)


def test_text_stays_text_where_a_key_is_text() -> None:
    assert typed_value("[5,10]", TEXT_KEY) == "[5,10]"
    assert typed_value("0", TEXT_KEY) == "0"
    assert typed_value("~", TEXT_KEY) is None
    assert typed_value("[5,10]", LIST_KEY) == [5, 10]
    flags = {"gpu_id": "0", "user_inter_num_interval": "[5,10]", "topk": "[5]"}
    assert typed_values(flags, None, None) == {**flags, "topk": [5]}


@pytest.mark.parametrize("model", our_models())
def test_every_documented_choice_can_be_given(model: str) -> None:
    for key in documented_keys(model, "").values():
        for choice in re.findall(r"'(\w+)'", key.meaning) if is_text(key) else ():
            assert typed_value(choice, key) == choice


def test_a_choice_is_known_without_a_model() -> None:
    assert cli._call({"skip": "none"})["config_dict"] == {"skip": "none"}
    assert cli._call({"pretrained": "none"})["config_dict"] == {"pretrained": None}


@pytest.mark.usefixtures("tiny")
def test_resume_is_enough(in_tmp: Path) -> None:
    flags = ["--model=SASRec", "--dataset=tiny", "--show_progress=False", "--hidden_size=16", "--epochs=1"]
    assert main(flags) == 0
    (path,) = (in_tmp / "saved").glob("*.last.pth")
    assert main([f"--resume={path}", "--epochs=2"]) == 0
    assert list((in_tmp / "saved").glob("*.last.pth")) == [path]
    training = torch.load(path, weights_only=True)["training"]
    assert training["next_epoch"] == 2


def test_help_lists_models_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("MMM4Rec", "--dataset", "examples:", "--nproc"))
    assert len(shown.splitlines()) < 25


@pytest.mark.parametrize(
    ("model", "key"), [("MMM4Rec", "d_state"), ("SASRec", "n_heads"), ("BPR", "embedding_size")]
)
def test_help_of_a_model_lists_its_keys(model: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help", f"--model={model}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"  {key}=") and "(int)" in line for line in lines)
    assert any("topk=[10, 20, 50]" in line for line in lines)


def test_version_names_what_decides_results(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("recbole_mmm4rec", "recbole 1.2.1", "torch", "numpy"))


A_FILE = "atomic_data/tiny/tiny.inter"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=SASRek"], "unknown model 'SASRek'; did you mean SASRec"),
        (["--help", "--model=SASRek"], "unknown model 'SASRek'; did you mean SASRec"),
        (["--dataset=tinny", "--model=BPR"], "no dataset 'tinny'"),
        (
            ["--dataset=tiny", "--model=BPR", "--epoch=1"],
            "command line: unknown key 'epoch' for BPR; the nearest known key is 'epochs'",
        ),
        (["--dataset=tiny", "--model=BPR", "--epochs=[1]"], "command line: 'epochs' expects (int)"),
        (["--dataset=tiny", "--config_files=a.yaml b.yaml"], "config file 'a.yaml' does not exist"),
        (["--dataset=tiny", "--model=BPR", "--nproc=two"], "--nproc expects a whole number, got 'two'"),
        (["--dataset=tiny", "--model=BPR", "--nproc=0"], "--nproc expects a number of processes from 1"),
        (["--dataset=tiny", "--model=MMM4Rec", "--hidden_size=24"], "MMM4Rec: head_dim"),
        (["BPR"], "command line: 'BPR' is not a flag"),
        (
            ["--dataset=tiny", "--model=SASRec", "--resume=no.pth", "--epochs=1"],
            "resume: no.pth does not exist",
        ),
        (
            ["--dataset=tiny", "--model=SASRec", "--topk=[5]"],
            "valid_metric: NDCG@10 is not one of metrics x topk",
        ),
        (["--dataset=tiny", "--model=Pop", f"--checkpoint_dir={A_FILE}"], f"{A_FILE}: File exists"),
        (
            ["--dataset=tiny", "--model=Pop", "--valid_metric=Recall"],
            "valid_metric: Recall is not one of metrics",
        ),
        (
            ["--dataset=tiny", "--model=SASRecT", "--stage=pretraining"],
            "stage: 'pretraining' is not one of finetune",
        ),
        (
            ["--dataset=tiny", "--fidelity=Reference"],
            "fidelity: 'Reference' is not one of improved, repaired, reference",
        ),
        (["--dataset=tiny", "--num_buckets=0"], "num_buckets: 0 is not above 0"),
        (["--dataset=tiny", "--model=BPR", "--weight_decay=-1"], "weight_decay: -1 is below 0"),
        (
            ["--dataset=tiny", "--model=SASRec", "--weight_decay=auto"],
            "command line: 'weight_decay' expects",
        ),
        (
            ["--dataset=tiny", "--eval_args={split: {RS: [0.8,0.1,0.1]}, order: RO, mode: full}"],
            "eval_args: a sequential model needs the order of time",
        ),
        (["--bench=growth", "--model=SASRec"], "--model and --bench=growth do not go together"),
        (["--bench", "--nproc=2"], "--nproc and --bench do not go together"),
        (["--dataset=tiny", "--model=Pop", "--metrics=[]"], "command line: 'metrics' names no metric"),
        (
            ["--dataset=tiny", "--model=Pop", "--local_rank=0"],
            "command line: 'local_rank' does not place a process; the command line's flags --nproc, ",
        ),
        (["--dataset=tiny", "--model=Pop", "--seed=2024-02-30"], "command line: 'seed' expects (int)"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--state=CRITICAL"] if "--help" not in arguments else arguments) == 2
    errors = capfd.readouterr().err
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1


def test_an_interrupt_is_one_line_and_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(flags: dict[str, str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_train", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_run_by_flags(tiny: Path, in_tmp: Path) -> None:
    (in_tmp / "a.yaml").write_text("embedding_size: 8\nmodel: Pop\n")
    (in_tmp / "b.yaml").write_text("epochs: 50\n")
    flags = ["--model=BPR", f"--dataset={tiny.name}", "--config_files", "a.yaml b.yaml", "--epochs=1"]
    assert main([*flags, "--show_progress=False", "--flops"]) == 0
    log = next((in_tmp / "log" / "BPR").iterdir()).read_text()
    results = ("FLOPs", "best valid", "test result", "1 epochs, best epoch 0 (from 0)", "checkpoint: saved")
    for expected in ("embedding_size = 8", *results):
        assert expected in log


def test_the_script_takes_recboles_flags() -> None:
    """As a process of its own: the script chooses between two command lines."""
    script = Path(__file__).parents[2] / "run_recbole.py"
    command = [sys.executable, str(script), "--model=SASrec", "--dataset=ml-100k"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown model 'SASrec'; did you mean SASRec")

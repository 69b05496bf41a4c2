"""``recbole-mmm4rec``: what each command hands on, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from recbole_mmm4rec.cli import app, run_recbole
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.guard import guarded
from recbole_mmm4rec.prepare.cli import main as prepare_main


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["train", "--model=BPR", "--epochs=1"], {"model": "BPR", "epochs": "1"}),
        (["train", "--help", "--model=BPR"], {"help": "True", "model": "BPR"}),
        (["benchmark", "laptop", "--seeds=1"], {"benchmark": "laptop", "seeds": "1"}),
        (["report", "folder"], {"report": "folder"}),
        (["tune", "BPR", "--max_evals", "3"], {"tune": "BPR", "max_evals": "3"}),
        (["bench"], {"bench": "10"}),
        (["bench", "--model=BPR"], {"bench": "10", "model": "BPR"}),
        (["bench", "growth"], {"bench": "growth"}),
    ],
)
def test_a_command_is_a_flag_of_run_recbole(
    arguments: list[str], flags: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(run_recbole, "_run", given.append)
    assert app.main(arguments) == 0
    assert given == [flags]


def test_exit_codes_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_recbole, "_run", lambda flags: 1)
    assert app.main(["report", "folder"]) == 1
    assert app.main(["train", "no flag"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["train", "prepare", "benchmark", "report", "tune", "bench", "models"]),
        (["models"], ["MMM4Rec", "SASRec"]),
        (["benchmark", "--help"], ["--benchmark=B"]),
        (["--version"], ["recbole 1.2.1"]),
    ],
)
def test_what_is_shown(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in words)


@pytest.mark.parametrize(
    "arguments", [["trian"], ["tune", "--model=BPR"], ["--model=BPR"], ["report"], ["tune"]]
)
def test_what_is_not_understood_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_prepare_takes_its_own_flags(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["prepare", "demo-shop", "--part=a"]) == 0
    assert (in_tmp / "atomic_data" / "demo-shop-a" / "demo-shop-a.inter").is_file()
    assert app.main(["prepare", "no-such-set"]) == 2
    assert capsys.readouterr().err.count("error: ") == 1


def test_debug_shows_the_traceback() -> None:
    def fail() -> None:
        raise UserError("a file is missing")

    assert guarded(fail) == 2
    with pytest.raises(UserError):
        guarded(fail, debug=True)
    assert app.main(["train", "--model=SASRek"]) == 2
    with pytest.raises(UserError, match="unknown model 'SASRek'"):
        app.main(["train", "--model=SASRek", "--debug"])


@pytest.mark.parametrize(
    ("command", "rest"),
    [
        *(("prepare", []), ("benchmark", []), ("report", []), ("tune", [])),
        *(("recommend", ["--users=1", "--output=a.csv"]), ("similar", ["1"]), ("search", ["--text=x"])),
    ],
)
@pytest.mark.usefixtures("in_tmp")
def test_every_command_takes_debug(command: str, rest: list[str]) -> None:
    assert app.main([command, "no-such-thing", *rest]) == 2
    with pytest.raises(UserError):
        app.main([command, "no-such-thing", *rest, "--debug"])


def test_the_list_of_models_takes_debug() -> None:
    assert app.main(["models", "--debug"]) == 0


def test_prepare_by_itself_checks_versions_and_takes_debug(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit() -> None:
        raise UserError("numpy is too old")

    monkeypatch.setattr("recbole_mmm4rec.guard.check_requirements", unfit)
    assert prepare_main(["demo-shop"]) == 2
    with pytest.raises(UserError, match="too old"):
        prepare_main(["demo-shop", "--debug"])


def test_help_needs_neither_torch_nor_recbole() -> None:
    code = (
        "import sys; from recbole_mmm4rec.cli import main; main(['--help']);"
        "from recbole_mmm4rec.cli.run_recbole import main as flags; flags(['--help']);"
        "sys.exit(bool({'torch', 'recbole', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0

"""Results of other code: reported and run again, or kept on request, pre-training among them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recbole_mmm4rec.benchmark import command
from recbole_mmm4rec.benchmark.expansion import Expansion
from recbole_mmm4rec.benchmark.results import Results
from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.files import read_json_lines
from recbole_mmm4rec.quick_start import run_key
from tests.benchmark.conftest import OURS
from tests.benchmark.test_schedule import Fake

SETTINGS = [{"model": "Pop"}, OURS | {"pretrain": {"dataset": "same", "epochs": 1}}]
COMMAND = ["--benchmark=some.yaml", "--output=out", "--workers=0"]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, make_benchmark: Any) -> Fake:
    """Runs that only write a record, by a benchmark of two settings; no report is written."""
    make_benchmark(*SETTINGS)
    done = Fake()
    page = SimpleNamespace(write_report=lambda folder: folder / "report.html")
    monkeypatch.setattr(command, "import_module", lambda name: page)
    real = command.make_launcher

    def launcher(*arguments: Any) -> Any:
        made = real(*arguments)
        made.run = done
        return made

    monkeypatch.setattr(command, "make_launcher", launcher)
    return done


def edited(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(run_key, "code_fingerprint", lambda: code)


def test_other_code_runs_again_and_says_so(
    fake: Fake, in_tmp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(COMMAND) == 0
    first = list(fake.done)
    assert main(COMMAND) == 0
    assert fake.done == first
    edited(monkeypatch, "edited")
    assert main(COMMAND) == 0
    again = fake.done[len(first) :]
    assert len(first) == len(again) == 3
    assert not {*first} & {*again}
    said = "3 finished runs are of other code or versions and run again; --keep_results=True keeps them"
    assert caplog.messages.count(said) == 1
    assert all((in_tmp / "out" / "runs" / key / "record.json").is_file() for key in first)
    assert {row["key"] for row in read_json_lines(in_tmp / "out" / "runs.jsonl")} == {*again}


def test_an_edited_model_of_another_package_is_told(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for code in ("first", "second"):
        monkeypatch.setattr(run_key, "_code_elsewhere", lambda _, code=code: {"model": code})
        assert main(COMMAND) == 0
    assert len(fake.done) == 6
    told = "3 finished runs are of other code or versions and "
    assert any(line.startswith(f"{told}run again") for line in caplog.messages)
    monkeypatch.setattr(run_key, "_code_elsewhere", lambda _: {"model": "third"})
    assert main([*COMMAND, "--keep_results=True"]) == 0
    assert len(fake.done) == 6
    assert any(line.startswith(f"{told}are kept") for line in caplog.messages)


def test_results_of_other_code_are_kept_on_request(
    fake: Fake, in_tmp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(COMMAND) == 0
    first = list(fake.done)
    edited(monkeypatch, "edited")
    assert main([*COMMAND, "--seeds=1,2", "--keep_results=True"]) == 0
    assert len(fake.done) == 6  # those of the second seed
    assert any(line.startswith("3 finished runs") and "are kept" in line for line in caplog.messages)
    rows = {row["key"]: row for row in read_json_lines(in_tmp / "out" / "runs.jsonl")}
    assert {*rows} == {*fake.done}
    codes = [rows[key]["versions"]["code"] for key in fake.done]
    assert codes.count("edited") == 3
    assert "edited" not in [rows[key]["versions"]["code"] for key in first]


def test_what_starts_from_kept_weights_is_another_run(
    fake: Fake, make_benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(COMMAND)
    edited(monkeypatch, "edited")
    changed = SETTINGS[1] | {"learning_rate": 0.5}
    changed["pretrain"] = changed["pretrain"] | {"learning_rate": SETTINGS[1].get("learning_rate", 0.01)}
    benchmark = make_benchmark(changed)
    (kept,) = Expansion(benchmark, kept=Results(Path("out")).finished_tasks()).plans()
    (fresh,) = Expansion(benchmark).plans()
    assert kept.pretrain is not None
    assert fresh.pretrain is not None
    assert kept.pretrain.key in fake.done
    assert fresh.pretrain.key not in fake.done
    assert kept.key != fresh.key
    assert kept.task == fresh.task


def test_results_of_this_code_come_before_those_of_other_code(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(COMMAND)
    own = {*fake.done}
    with monkeypatch.context() as patch:
        edited(patch, "later")
        main(COMMAND)
    assert {*Results(Path("out")).finished_tasks().values()} == own


@pytest.mark.usefixtures("fake")
def test_the_flag_is_a_switch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--keep_results=all"]) == 2
    assert "--keep_results expects True or False, got 'all'" in capsys.readouterr().err

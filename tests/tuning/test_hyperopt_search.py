"""Searches in this process: what is proposed, what is remembered, what survives a kill."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import read_json_lines
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.tuning.hyperopt_search import search_with_hyperopt
from recbole_mmm4rec.tuning.search import Search, Trials
from recbole_mmm4rec.tuning.space import Range
from tests.forked import in_a_process
from tests.tuning.conftest import Counting, store_of

MakeSearch = Callable[..., Search]


def search_all(trials: Trials, algorithm: str = "exhaustive", **limits: Any) -> list[dict[str, Any]]:
    """Search with a new store, as a new process would, and return all trials."""
    search_with_hyperopt(
        trials, store_of(trials.search), algorithm, limits.get("most"), limits.get("early_stop"), 7
    )
    return read_json_lines(trials.search.folder / "trials.jsonl")


def test_an_exhaustive_search_tries_everything_once(make_search: MakeSearch) -> None:
    trials = Counting(make_search(epochs=1))
    rows = search_all(trials)
    assert len(rows) == len(trials.done) == 4
    assert len({(row["params"]["learning_rate"], row["params"]["n_layers"]) for row in rows}) == 4
    best = max(rows, key=lambda row: row["score"])
    config = RunConfig(config_file_list=[str(trials.search.folder / "best.yaml")])
    assert {key: config[key] for key in best["params"]} == best["params"]
    assert not list((trials.search.folder / "checkpoints").iterdir())
    again = Counting(make_search(epochs=1))
    search_all(again)
    assert again.done == []


@pytest.mark.parametrize("algorithm", ["exhaustive", "random"])
def test_choices_may_be_lists_and_dictionaries(algorithm: str, make_search: MakeSearch) -> None:
    clipping = ({"max_norm": 1.0, "norm_type": 2.0}, {"max_norm": 5.0, "norm_type": 2.0})
    trials = Counting(make_search({"clip_grad_norm": Range("choice", clipping)}, epochs=1))
    search_all(trials, algorithm, most=2)
    assert all(params["clip_grad_norm"] in clipping for params in trials.done)
    assert algorithm == "random" or [params["clip_grad_norm"] for params in trials.done] == [*clipping]


@pytest.mark.parametrize("algorithm", ["random", "bayes"])
def test_a_search_that_is_started_again_goes_on(algorithm: str, make_search: MakeSearch) -> None:
    space = {"learning_rate": Range("loguniform", (-7.0, -3.0)), "n_layers": Range("choice", (1, 2))}
    whole = Counting(make_search(space, epochs=1))
    search_all(whole, algorithm, most=3)
    (whole.search.folder / "trials.jsonl").unlink()
    half = Counting(make_search(space, epochs=1))
    search_all(half, algorithm, most=2)
    rest = Counting(make_search(space, epochs=1))
    search_all(rest, algorithm, most=3)
    assert half.done + rest.done == whole.done
    assert len(rest.done) == 1


def search_to_death(search: Search) -> None:
    """A process that is killed in the fourth epoch of its second trial."""
    seen = []

    def die(trial: int) -> None:
        seen.append(trial)
        if seen.count(2) == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    search_all(Counting(search, die))


def test_a_killed_search_continues_in_the_middle_of_a_trial(make_search: MakeSearch) -> None:
    space = {"learning_rate": Range("choice", (0.001, 0.01))}
    whole = search_all(Trials(make_search(space, epochs=6, patience=6)))
    folder = make_search().folder
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    search = make_search(space, epochs=6, patience=6)
    assert in_a_process(search_to_death, search) == -signal.SIGKILL
    assert len(read_json_lines(folder / "trials.jsonl")) == 1
    assert list(folder.glob("checkpoints/*/*.last.pth"))
    rest = Counting(make_search(space, epochs=6, patience=6))
    rows = search_all(rest)
    assert len(rest.done) == 1

    def kept(row: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in row.items() if key != "seconds"}

    assert [kept(row) for row in rows] == [kept(row) for row in whole]
    assert (folder / "best.pth").is_file()


def test_a_failing_trial_does_not_end_the_search(make_search: MakeSearch) -> None:
    space = {"n_heads": Range("choice", (2, 3))}  # 3 heads do not divide 16
    rows = search_all(Trials(make_search(space, epochs=1)))
    assert {row["params"]["n_heads"]: row["status"] for row in rows} == {2: "finished", 3: "failed"}
    with pytest.raises(UserError, match="no trial gave a score; the first ended with: SASRec: "):
        search_all(Trials(make_search({"n_heads": Range("choice", (3, 5))}, epochs=1)))


def test_a_search_needs_validation(make_search: MakeSearch) -> None:
    with pytest.raises(UserError, match="with eval_step 0 nothing is validated"):
        make_search(eval_step=0).check()
    with pytest.raises(UserError, match="no trial gave a score; the first ended with: nothing was validated"):
        search_all(
            Trials(make_search({"learning_rate": Range("choice", (0.01,))}, stage="pretrain", epochs=1))
        )


def test_early_stop_and_continuous_ranges(make_search: MakeSearch) -> None:
    never_better = {"seed": Range("choice", (1,)), "loss_decimal_place": Range("choice", (1, 2, 3, 4))}
    trials = Counting(make_search(never_better, epochs=1))
    search_all(trials, early_stop=2)
    assert 2 <= len(trials.done) < 4
    with pytest.raises(UserError, match="takes only choices"):
        search_all(Trials(make_search({"learning_rate": Range("uniform", (0.1, 1.0))})))


FLAGS = ["--dataset=tiny", "--epochs=1", "--topk=[5,10]"]


@pytest.mark.usefixtures("tiny")
def test_a_search_by_flags(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (in_tmp / "few.hyper").write_text("learning_rate choice [0.01, 0.02]\n")
    (in_tmp / "more.yaml").write_text("train_batch_size: 64\n")
    flags = ["--tune=few.hyper", "--model=GRU4Rec", *FLAGS, "--config_files=more.yaml", "--max_evals=1"]
    assert main(flags) == 0
    folder = in_tmp / "tuning_results" / "GRU4Rec-tiny"
    assert f"--config_files={folder / 'best.yaml'}" in capsys.readouterr().out
    assert len(read_json_lines(folder / "trials.jsonl")) == 1
    assert "'learning_rate'" in (folder / "log.txt").read_text()
    assert main([f"--config_files={folder / 'best.yaml'}", "--show_progress=False"]) == 0
    names = {path.name for path in in_tmp.iterdir()} - {"log", "log_tensorboard", "saved"}
    assert names == {"atomic_data", "few.hyper", "more.yaml", "tuning_results"}


def test_a_search_is_on_one_dataset(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (in_tmp / "two.hyper").write_text("dataset choice ['tiny', 'other']\n")
    assert main(["--tune=two.hyper", "--model=Pop"]) == 2
    assert "two.hyper: 'dataset' is the same for all trials of a search" in capsys.readouterr().err


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tune=none.hyper"], "--tune: none.hyper is not a file, nor one of"),
        (["--tune"], "--tune: name a .hyper file or a model"),
        (["--tune=SASRec", "--tool=optuna"], "--tool: 'optuna' is not one of hyperopt, ray"),
        (
            ["--tune=SASRec", "--algo=asha", "--tool=hyperopt"],
            "--algo: hyperopt has exhaustive, ",
        ),
        (["--tune=SASRec", "--max_evals=few"], "--max_evals expects a number, got 'few'"),
        (["--tune=SASRec", "--max_evals=0"], "--max_evals expects a number, got '0'"),
        (["--tune=SASRec", "--grace_period=1"], "--grace_period: hyperopt has no such flag, --tool=ray has"),
        (["--tune=SASRec", "--nproc=2"], "--nproc and --tune do not go together: each trial is one process"),
        (["--tune=SASRec", "--n_layers=1"], "--n_layers: is searched over and given at the same time"),
        (["--tune=SASRec", "--model=GRU4Rec"], "--tune: unknown key 'n_layers' for GRU4Rec"),
        (["--tune=SASRec", "--config_files=x.yaml"], "config file 'x.yaml' does not exist"),
    ],
)
def test_bad_flags_are_one_line(flags: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*flags, *FLAGS]) == 2
    errors = capfd.readouterr().err
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1

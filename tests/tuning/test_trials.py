"""One trial, and the store of trials: validation alone, one dataset, one checkpoint."""

import csv
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start import run, run_key
from recbole_mmm4rec.tuning import shared_data
from recbole_mmm4rec.tuning.search import FAILED, STOPPED, Search, Trials, trial_record
from recbole_mmm4rec.tuning.shared_data import SharedData
from recbole_mmm4rec.tuning.space import Range
from recbole_mmm4rec.tuning.trial_store import TrialStore
from tests.conftest import SMALL
from tests.tuning.conftest import SPACE, store_of

MakeSearch = Callable[..., Search]
PARAMS = {"learning_rate": 0.01, "n_layers": 1}


@pytest.mark.parametrize("model", ["SASRec", "BPR", "GRU4Rec"])
def test_trials_share_a_dataset_and_are_runs_like_any(model: str, make_search: MakeSearch) -> None:
    search = make_search({"learning_rate": Range("choice", (0.01, 0.02))}, model)
    if model == "BPR":
        del search.given["hidden_size"]
    trials = Trials(search)
    other, record = (trials.run({"learning_rate": rate}) for rate in (0.02, 0.01))
    alone = run(model, "tiny", config_dict={**search.given, "learning_rate": 0.01, "show_progress": False})
    assert record["valid"] == pytest.approx(alone["best_valid_result"], abs=1e-4)
    assert other["key"] != record["key"]
    assert len(trials.data.built) == 1
    assert len(record["scores"]) == record["epochs"]
    assert max(record["scores"]) == record["score"]


def test_no_thread_writes_on_after_a_trial(make_search: MakeSearch) -> None:
    before = set(threading.enumerate())
    Trials(make_search()).run(PARAMS)
    left = [thread for thread in set(threading.enumerate()) - before if "Writer" in type(thread).__name__]
    assert not left


def test_our_model_is_searched_too(make_search: MakeSearch) -> None:
    search = make_search({"num_layers": Range("choice", (1,))}, "MMM4Rec", **(SMALL | {"topk": [5, 10]}))
    assert Trials(search).run({"num_layers": 1})["score"] > 0


def test_a_continued_trial_tells_the_earlier_scores_first(make_search: MakeSearch) -> None:
    trials, told = Trials(make_search(epochs=4)), []

    def interrupt(epoch: int, score: float) -> None:
        told.append((epoch, score))
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trials.run(PARAMS, interrupt)
    before = list(told)
    told.clear()
    record = trials.run(PARAMS, lambda *score: told.append(score))
    assert [epoch for epoch, _ in told] == [0, 1, 2, 3]
    assert told[: len(before) - 1] == before[:-1]
    assert [score for _, score in told] == record["scores"]


def test_a_key_of_the_data_builds_it_again(make_search: MakeSearch) -> None:
    trials = Trials(make_search({"MAX_ITEM_LIST_LENGTH": Range("choice", (3, 5))}))
    for length in (3, 5, 3):
        trials.run({"MAX_ITEM_LIST_LENGTH": length})
    assert len(trials.data.built) == 2


def test_shared_data_travel(make_search: MakeSearch) -> None:
    search, data = make_search(), SharedData()
    config = search.configuration(PARAMS)
    here = data.loaders(config)
    there = pickle.loads(pickle.dumps(data)).loaders(config)
    for loaders in zip(here, there, strict=True):
        batches = [next(iter(loader)) for loader in loaders]
        histories = [(batch[0] if isinstance(batch, tuple) else batch)["item_id_list"] for batch in batches]
        assert torch.equal(*histories)


def test_the_test_set_is_not_even_loaded(make_search: MakeSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, handed = shared_data.prepare_loaders, []

    class Forbidden:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"the test loader's {name} was asked for")

    def preparing(config: Any, dataset: Any) -> tuple[Any, ...]:
        handed.append(prepare(config, dataset)[:2])
        return (*handed[-1], Forbidden())

    monkeypatch.setattr(shared_data, "prepare_loaders", preparing)
    record = Trials(make_search()).run(PARAMS)
    assert handed
    assert record["score"] == record["valid"]["ndcg@10"]
    assert "test" not in " ".join(record)


def test_trials_from_other_weights_or_of_other_code_are_of_another_search(
    make_search: MakeSearch, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("a.pth", b"a"), ("b.pth", b"b"), ("copy.pth", b"a")):
        (in_tmp / name).write_bytes(content)
    a, b, copy = (
        make_search(pretrained=str(in_tmp / name)).identity for name in ("a.pth", "b.pth", "copy.pth")
    )
    assert len({make_search().identity, a, b}) == 3
    assert copy == a
    rates = {"learning_rate": Range("choice", (0.5,)), "n_layers": Range("choice", (3,))}
    before = make_search().identity
    assert make_search(rates).identity == before
    monkeypatch.setattr(run_key, "_code_elsewhere", lambda _: {"model": "edited"})
    assert make_search().identity != before


def test_whole_numbers_stay_whole(make_search: MakeSearch) -> None:
    search = make_search({"hidden_size": Range("quniform", (16.0, 32.0, 16.0))})
    assert search.fitting({"hidden_size": 32.0}) == {"hidden_size": 32}
    rate = search.fitting({"learning_rate": np.float64(1.0)})["learning_rate"]
    assert (type(rate), rate) == (float, 1.0)


def test_bad_keys_are_found_before_the_first_trial(make_search: MakeSearch) -> None:
    with pytest.raises(UserError, match="--tune: unknown key 'n_layer' for SASRec"):
        make_search({"n_layer": Range("choice", (1,))}).check()
    with pytest.raises(UserError, match=r"--tune: 'hidden_size' expects \(int\)"):
        make_search({"hidden_size": Range("choice", (16, "32"))}).check()


def checkpoint(search: Search, key: str) -> None:
    place = search.checkpoints(key)
    place.mkdir(parents=True)
    (place / "SASRec.pth").write_text(key)
    (place / "SASRec.last.pth").write_text("state")


def scored(key: str, score: float | None, status: str = "finished") -> dict[str, Any]:
    return trial_record(key, {"learning_rate": 0.01, "n_layers": len(key)}, status) | {"score": score}


def test_only_the_best_checkpoint_stays(make_search: MakeSearch) -> None:
    search = make_search()
    store = store_of(search)
    for key, score in (("a", 0.2), ("b", 0.5), ("c", 0.5), ("d", 0.1)):
        checkpoint(search, key)
        store.add(scored(key, score))
    checkpoint(search, "unfinished")
    assert (search.folder / "best.pth").read_text() == "b"
    store.settle()
    assert [path.name for path in (search.folder / "checkpoints").iterdir()] == ["unfinished"]


def test_what_a_kill_left_between_two_steps_is_settled(make_search: MakeSearch) -> None:
    search = make_search()
    store_of(search).add(scored("a", 0.5))
    checkpoint(search, "a")
    store_of(search)
    assert (search.folder / "best.pth").read_text() == "a"
    assert not list((search.folder / "checkpoints").iterdir())


def test_the_smaller_score_can_be_the_better_one(make_search: MakeSearch) -> None:
    store = store_of(make_search())
    store.bigger = False
    store.add(scored("a", 2.0))
    store.add(scored("b", 1.0, STOPPED))
    store.add(scored("c", None, FAILED))
    best = store.best()
    assert best is not None
    assert best["key"] == "b"


def test_the_best_values_are_a_config_file(make_search: MakeSearch, tiny: Path) -> None:
    search = make_search()
    store = store_of(search)
    store.add(scored("ab", 0.25))
    config = RunConfig(config_file_list=[str(store.best_file)])
    assert (config["model"], config["dataset"]) == ("SASRec", tiny.name)
    assert (config["learning_rate"], config["n_layers"], config["topk"]) == (0.01, 2, [5, 10])
    assert store.best_file.read_text().startswith("# NDCG@10 0.2500 on validation, the best of 1 trials")


def test_a_table_of_all_trials(make_search: MakeSearch) -> None:
    search = make_search()
    store = store_of(search)
    store.add(scored("a", 0.25))
    store.add(scored("bb", None, FAILED) | {"error": "no, luck"})
    with open(search.folder / "trials.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [*SPACE, "status", "NDCG@10", "epochs", "seconds", "error"]
    assert (rows[0]["n_layers"], rows[0]["NDCG@10"]) == ("1", "0.25")
    assert (rows[1]["status"], rows[1]["error"]) == ("failed", "no, luck")


def test_scores_of_another_search_do_not_compare(make_search: MakeSearch) -> None:
    first = store_of(make_search())
    first.add(scored("a", 0.9))
    second = store_of(make_search(valid_metric="MRR@10"))
    assert second.best() is None
    second.add(scored("b", 0.2))
    best = second.best()
    assert best is not None
    assert best["score"] == 0.2
    again = store_of(make_search()).best()
    assert again is not None
    assert again["score"] == 0.9


def test_the_best_files_are_those_of_the_search_that_runs(make_search: MakeSearch) -> None:
    first, second = make_search(), make_search(valid_metric="MRR@10")
    for search, key in ((first, "a"), (second, "b")):
        store = store_of(search)
        checkpoint(search, key)
        store.add(scored(key, 0.5))
    assert (first.folder / "best.pth").read_text() == "b"
    store = store_of(first)
    assert (first.folder / "best.pth").read_text() == "a"
    assert "valid_metric" not in store.best_file.read_text()
    assert (first.folder / f"best-{second.identity}.pth").read_text() == "b"
    assert "MRR" in (first.folder / f"best-{second.identity}.yaml").read_text()


def test_a_trial_that_was_stopped_early_is_over_for_early_stopping_alone(make_search: MakeSearch) -> None:
    search = make_search()
    store_of(search).add(scored("a", 0.9, STOPPED))
    whole = store_of(search)
    assert (whole.get("a"), whole.best()) == (None, None)
    whole.add(scored("b", 0.2))
    early = TrialStore(search, True, "NDCG@10", stops_early=True)
    assert {key: row["status"] for key, row in early.rows.items()} == {"a": STOPPED, "b": "finished"}


def test_the_weights_beside_the_best_values_are_of_that_trial(make_search: MakeSearch) -> None:
    search = make_search()

    def add(store: TrialStore, key: str, *outcome: Any) -> None:
        checkpoint(search, key)
        store.add(scored(key, *outcome))

    def found() -> tuple[str, str | None]:
        weights = search.folder / "best.pth"
        said = next(line for line in store.best_file.read_text().splitlines() if line.startswith("# trial "))
        return said.removeprefix("# trial "), weights.read_text() if weights.is_file() else None

    store = TrialStore(search, True, "NDCG@10", stops_early=True)
    add(store, "whole", 0.4)
    add(store, "early", 0.5, STOPPED)
    assert found() == ("early", "early")
    store = store_of(search)  # ended trials do not count; the weights of the other one are gone
    assert found() == ("whole", None)
    store = TrialStore(search, True, "NDCG@10", stops_early=True)
    assert found() == ("early", "early")
    store = store_of(search)
    add(store, "better", 0.6)
    assert found() == ("better", "better")
    assert (search.folder / "best-early.pth").read_text() == "early"


def test_failed_trials_are_tried_again(make_search: MakeSearch) -> None:
    search = make_search()
    store_of(search).add(scored("a", None, FAILED))
    assert store_of(search).get("a") is None

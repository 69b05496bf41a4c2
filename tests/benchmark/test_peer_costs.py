"""Models beside other libraries: what is measured is real, and what is not installed is said."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_mmm4rec.benchmark import peer_costs
from recbole_mmm4rec.benchmark.peer_costs import PeerCost
from recbole_mmm4rec.benchmark.peers import second_epoch
from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders

SMALL = {"train_batch_size": 16, "MAX_ITEM_LIST_LENGTH": 5, "topk": [5], "valid_metric": "NDCG@5"}


def call(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "dataset": "tiny",
        "config_file_list": [],
        "config_dict": SMALL | {"data_path": str(Path("atomic_data").resolve())},
        "origin": "test",
    }


def history_sizes(tiny: Path) -> pd.Series:
    rows = pd.read_csv(tiny / "tiny.inter", sep="\t")
    return rows.groupby("user_id:token").size() - 2  # the last two are held out


def test_other_libraries_get_the_interactions_of_training(tiny: Path) -> None:
    config = RunConfig("SASRec", "tiny", config_dict=SMALL)
    train = prepare_loaders(config, create_dataset(config))[0]
    rows = peer_costs.training_rows(train._dataset.inter_feat)
    assert sorted(rows.groupby("user").size()) == sorted(history_sizes(tiny))
    pairs = {(user, item) for user, item in rows.itertuples(index=False)}
    for batch in train:
        assert pairs.issuperset(zip(batch["user_id"].tolist(), batch["item_id"].tolist(), strict=True))
    assert rows["user"].is_monotonic_increasing


def test_a_model_beside_recboles_own_and_a_peer_that_is_not_there(in_tmp: Path, tiny: Path) -> None:
    text = peer_costs.run(call("SASRec"), sys.executable, in_tmp, steps=2)
    costs = json.loads((in_tmp / "peers.json").read_text())["costs"]
    assert [cost["name"] for cost in costs][:2] == ["SASRec", "SASRec, RecBole's own"]
    assert all(cost["targets_per_second"] > 0 and cost["peak_bytes"] >= 0 for cost in costs)
    assert all(cost["rank_seconds"] > 0 for cost in costs[:2])
    measured = {cost["name"] for cost in costs}
    for name in set(peer_costs.PEERS) - measured:  # those not installed beside the package
        line = next(
            line for line in text.splitlines() if line.startswith(f"{name}: left out (ModuleNotFoundError: ")
        )
        assert line.endswith("--peers_python=PATH names a Python that has it")


def test_a_peer_trains_on_the_last_targets_of_every_user_and_tells_the_second_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, given = tmp_path / "train.csv", []
    data.write_text("user,item\n" + "1,5\n1,6\n2,5\n2,6\n2,7\n2,8\n2,9\n")
    sizes = {"width": 8, "inner": 16, "heads": 2, "layers": 1, "dropout": 0.5}
    asked = {"data": str(data), "length": 3, "targets_per_batch": 6} | sizes
    monkeypatch.setattr(sys, "argv", ["peer.py", json.dumps(asked)])
    monkeypatch.setattr(second_epoch.Clock, "seconds", [9.0, 4.0])
    for setting in ("set_num_threads", "set_flush_denormal"):
        monkeypatch.setattr(second_epoch.torch, setting, lambda value: None)
    second_epoch.measure(given.append)
    found = json.loads(capsys.readouterr().out)
    assert (found["targets"], found["seconds"], found["peak"] >= 0) == (1 + 3, 4.0, True)
    assert [(told.batch, len(told.rows), told.inner) for told in given] == [(3, 7, 16)]


def test_a_clock_adds_an_epochs_cpu_seconds_for_all_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_epoch.Clock, "seconds", [])
    monkeypatch.setattr(second_epoch, "process_time", iter([1.0, 3.5]).__next__)
    clock = second_epoch.Clock()
    clock.on_train_epoch_start(None, None)
    clock.on_train_epoch_end(None, None)
    assert second_epoch.Clock().seconds == [2.5]


def test_what_a_peer_says_is_taken_over(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text('print("noise")\nprint(\'{"targets": 30, "seconds": 1.5, "peak": 7}\')\n')
    assert peer_costs._peer("peer", [sys.executable, str(script)]) == PeerCost("peer", 20.0, 7)


def test_a_python_that_is_not_there_is_said_too() -> None:
    found = peer_costs._peer("peer", ["/nowhere/python", "x.py"])
    assert isinstance(found, str)
    assert found.startswith("peer: left out (")


def test_the_command_names_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bench=peers"]) == 2
    assert capsys.readouterr().err == (
        "error: --bench=peers needs --dataset; it measures several models on it\n"
    )

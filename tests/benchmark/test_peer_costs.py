"""Models beside other libraries: what is measured is real, and what is not installed is said."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recbole_mmm4rec.benchmark import peer_costs
from recbole_mmm4rec.benchmark.peer_costs import PeerCost
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
    if len(costs) == 2:  # RecTools is not installed beside the package
        assert "SASRec of RecTools: left out (ModuleNotFoundError: " in text
        assert text.endswith("--peers_python=PATH names a Python that has it\n")


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

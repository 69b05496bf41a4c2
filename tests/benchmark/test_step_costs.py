"""The split of a step is measured on real runs, and written whole or not at all."""

import json
from pathlib import Path

import pytest
import torch

from recbole_mmm4rec.benchmark import step_costs
from recbole_mmm4rec.benchmark.clock import Clock
from recbole_mmm4rec.errors import UserError
from tests.conftest import SMALL

PARTS = {"load", "forward", "backward", "optimiser", "evaluate"}


@pytest.mark.usefixtures("tiny")
def test_costs_of_a_small_model(in_tmp: Path) -> None:
    settings = SMALL | {"train_batch_size": 4, "topk": [1], "valid_metric": "NDCG@1"}
    costs = step_costs.run("MMM4Rec", "tiny", config_dict=settings, steps=3)
    assert set(costs.parts) == PARTS
    assert costs.samples_per_second > 0
    assert 0 <= costs.padding_share < 1
    written = json.loads((in_tmp / "bench.json").read_text())
    assert set(written["parts"]) == PARTS
    assert "samples/s" in costs.table()
    assert not list(in_tmp.glob("*.tmp"))


@pytest.mark.usefixtures("tiny")
def test_samples_are_targets_where_a_history_serves_several() -> None:
    small = {"hidden_size": 16, "inner_size": 16, "train_batch_size": 8, "topk": [10], "show_progress": False}
    costs = step_costs.run("SASRecT", "tiny", config_dict=small | {"positions": "all"}, steps=3)
    assert costs.batch == 8


BRIEF = {"epochs": 1, "show_progress": False, "topk": [10]}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["GRU4Rec", "DIN"])  # the second has a trainer of RecBole
def test_a_model_of_recbole_is_measured_too(model: str) -> None:
    assert step_costs.run(model, "tiny", config_dict=BRIEF, steps=2).samples_per_second > 0


@pytest.mark.usefixtures("tiny")
def test_a_model_of_single_interactions_is_refused() -> None:
    with pytest.raises(UserError, match="--bench measures sequential models; BPR is not one"):
        step_costs.run("BPR", "tiny", config_dict=BRIEF, steps=2)


def test_a_clock_counts_each_run_of_a_part() -> None:
    clock = Clock(torch.device("cpu"))
    for _ in range(3):
        with clock.part("work"):
            sum(range(1000))
    assert len(clock.wall["work"]) == 3
    assert clock.medians()["work"]["wall_ms"] > 0
    clock.restart()
    assert clock.medians() == {}

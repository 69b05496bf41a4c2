"""Epochs by the key ``positions`` are measured on real batches, and the tokens are those of a plain count."""

import json
from pathlib import Path

import pytest

from recbole_mmm4rec.benchmark import position_costs
from recbole_mmm4rec.cli.run_recbole import main

pytestmark = pytest.mark.usefixtures("tiny")
SMALL = {"num_buckets": 20, "train_batch_size": 16, "MAX_ITEM_LIST_LENGTH": 50}


@pytest.mark.parametrize("model", ["UniSRec", "Mamba4Rec"])  # the second is not in the list
def test_an_epoch_of_each(in_tmp: Path, model: str) -> None:
    call = {"model": model, "dataset": "tiny", "config_file_list": [], "config_dict": SMALL, "origin": "test"}
    text = position_costs.run(call, in_tmp, steps=1)
    written = json.loads((in_tmp / "positions.json").read_text())
    last, every = written["epochs"]
    users = {}
    for line in (in_tmp / "atomic_data" / "tiny" / "tiny.inter").read_text().splitlines()[1:]:
        user = line.split("\t")[0]
        users[user] = users.get(user, 0) + 1
    targets = [events - 3 for events in users.values()]  # the first has no history, the last two are held out
    assert last["targets"] == every["targets"] == sum(targets)
    assert last["tokens"] == sum(n * (n + 1) // 2 for n in targets)  # a group for every length: no pads
    assert sum(targets) <= every["tokens"] <= sum(targets) + 2 * max(targets) * len(targets) // 3
    assert min(last["cpu_seconds"], every["cpu_seconds"]) > 0
    assert text.splitlines()[0] == f"tiny, {written['threads']} threads: an epoch of {sum(targets):,} targets"
    assert text.splitlines()[2].startswith(model)


def test_times_are_trained_at_all_positions_where_their_branch_is_causal(in_tmp: Path) -> None:
    call = {
        "model": "MMM4Rec",
        "dataset": "tiny",
        "config_file_list": [],
        "config_dict": SMALL,
        "origin": "test",
    }
    text = position_costs.run(call, in_tmp, steps=1)
    epochs = json.loads((in_tmp / "positions.json").read_text())["epochs"]
    found = {(epoch["name"], epoch["positions"]): epoch for epoch in epochs}
    names = [line[:18].strip() for line in text.splitlines()[2:]]
    assert names == ["MMM4Rec, no times", "MMM4Rec, causal", "MMM4Rec, paper"]
    every = {(name, positions) for name in names for positions in ("last", "all")}
    assert found.keys() == every - {("MMM4Rec, paper", "all")}
    for positions in ("last", "all"):
        assert len({epoch["tokens"] for epoch in epochs if epoch["positions"] == positions}) == 1


def test_groups_are_those_of_the_model_where_nothing_says_how_many(in_tmp: Path) -> None:
    settings = {name: value for name, value in SMALL.items() if name != "num_buckets"}
    call = {"model": "SASRecT", "dataset": "tiny", "config_file_list": [], "origin": "test"}
    position_costs.run(call | {"config_dict": settings}, in_tmp, steps=1)
    last, _ = json.loads((in_tmp / "positions.json").read_text())["epochs"]
    assert last["tokens"] >= last["targets"]


def test_the_command_names_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bench=positions"]) == 2
    assert capsys.readouterr().err == (
        "error: --bench=positions needs --dataset; it measures several models on it\n"
    )

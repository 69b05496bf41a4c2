"""Whole runs with ``positions: all`` against the same with a sample for every prefix."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.columns import READ_AT
from recbole_mmm4rec.host.chunk_loader import ChunkLoader
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders, training_loader
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.launch import Launch
from recbole_mmm4rec.quick_start.processes import run_in_processes
from tests.conftest import SMALL
from tests.tiny import assert_equal

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
KNOWN = {key: value for key, value in SMALL.items() if key not in ("head_dim", "d_state", "n_groups")}
VALUES: dict[str, Any] = KNOWN | NO_DROPOUT | {"n_heads": 2, "epochs": 2, "accumulation_steps": 2}
RUNS: dict[str, dict[str, Any]] = {
    "SASRecT": VALUES | {"hidden_dropout_prob": 0.3},
    "MMM4Rec": SMALL | {"time_branch": "causal", "dropout_prob": 0.3, "time_dropout_prob": 0.1},
}
LOADER = {"positions": "all", "MAX_ITEM_LIST_LENGTH": 4, "train_batch_size": 16}

pytestmark = pytest.mark.usefixtures("tiny")


def loader(**values: Any) -> Any:
    config = RunConfig("SASRecT", "tiny", config_dict=VALUES | values)
    return prepare_loaders(config, create_dataset(config))[0]


def targets(batch: Any) -> Counter[tuple[int, int]]:
    return Counter(zip(batch["user_id"].tolist(), batch["item_id"].tolist(), strict=True))


def test_batches_have_as_many_targets_and_every_target_once() -> None:
    usual, chunked = loader(**LOADER | {"positions": "last"}), loader(**LOADER)
    assert isinstance(chunked, ChunkLoader)
    assert not isinstance(usual, ChunkLoader)
    assert len(usual) == len(chunked)
    batches = list(chunked)
    assert [len(batch["item_id"]) for batch in batches] == [len(batch["item_id"]) for batch in usual]
    assert sum(map(targets, batches), Counter()) == sum(map(targets, usual), Counter())
    sequences = sum(len(batch["item_length"]) for batch in batches)
    assert sequences < 0.6 * sum(len(batch["item_id"]) for batch in batches)
    assert all(READ_AT in batch for batch in batches)


def test_every_epoch_has_an_order_of_its_own_that_the_seed_repeats() -> None:
    first, again = loader(**LOADER), loader(**LOADER)
    one, other = ([batch["item_id"].tolist() for batch in epochs] for epochs in (first, again))
    assert one == other
    assert one != [batch["item_id"].tolist() for batch in first]


def end(model: str = "SASRecT", **values: Any) -> dict[str, Any]:
    result = run(model, "tiny", config_dict=(VALUES if model == "SASRecT" else {}) | values)
    return torch.load(Path(result["checkpoint"]).with_suffix(".last.pth"), weights_only=True)


@pytest.mark.parametrize("model", RUNS)
def test_in_equal_batches_a_run_ends_where_samples_of_their_own_end(model: str) -> None:
    values = {"train_batch_size": 512, "accumulation_steps": 1, "epochs": 3, "num_buckets": 3}
    values = RUNS[model] | {name: 0.0 for name in RUNS[model] if "dropout" in name} | values
    last, every = (end(model, positions=positions, **values) for positions in ("last", "all"))
    assert every["training"]["record"]["losses"] == pytest.approx(
        last["training"]["record"]["losses"], rel=1e-5
    )
    assert every["training"]["record"]["steps"] == last["training"]["record"]["steps"]
    for name, weight in last["state_dict"].items():
        torch.testing.assert_close(every["state_dict"][name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", RUNS)
def test_a_run_goes_on_bit_for_bit(model: str) -> None:
    values = RUNS[model] | {"positions": "all", "epochs": 4, "accumulation_steps": 2}
    whole = end(model, **values)
    run(model, "tiny", config_dict=values | {"epochs": 2, "checkpoint_dir": "half"})
    state = next(Path("half").glob("*.last.pth"))
    run(model, config_dict={"resume": str(state), "epochs": 4})
    half = torch.load(state, weights_only=True)
    assert_equal(half["state_dict"], whole["state_dict"])
    assert half["training"]["record"]["losses"] == whole["training"]["record"]["losses"]


def test_two_processes_train_as_one() -> None:
    values = {"positions": "all", "train_batch_size": 35, "objective": "in_batch"}
    one = end(**values)
    two = VALUES | values | {"checkpoint_dir": "two"}
    arguments = partial(dict, model="SASRecT", dataset="tiny", config_dict=two)
    result = run_in_processes(Launch(nproc=2), arguments)
    two = torch.load(Path(result["checkpoint"]).with_suffix(".last.pth"), weights_only=True)
    losses = (end["training"]["record"]["losses"] for end in (one, two))
    assert next(losses) == pytest.approx(next(losses), rel=1e-5)
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], weight, rtol=1e-5, atol=1e-5)


def test_a_loader_that_was_saved_is_of_the_kind_that_the_key_asks_for() -> None:
    config = RunConfig("SASRecT", "tiny", config_dict=VALUES | LOADER)
    chunked = prepare_loaders(config, create_dataset(config))[0]
    assert training_loader(config, chunked) is chunked
    config["positions"] = "last"
    usual = training_loader(config, chunked)
    assert READ_AT not in next(iter(usual))
    assert training_loader(config, usual) is usual
    config["positions"] = "all"
    assert READ_AT in next(iter(training_loader(config, usual)))

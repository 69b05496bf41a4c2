"""Two gloo processes against one process with the union of their batches."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import BPR
from recbole.utils import init_seed
from torch import nn

from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.quick_start.training_run import trainer_class
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from tests.forked import in_processes
from tests.tiny import USERS, TinyModel, make_config, make_run, write_dataset

EVEN = 3  # a dataset with an even number of training samples: of an odd one a sample is dealt out twice
VALUES: dict[str, Any] = {"shuffle": False, "learner": "adam", "epochs": 2, "accumulation_steps": 2}
RUNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lists": {"epochs": 1, "valid_metric": "Recall@10", "metrics": ["Recall", "ItemCoverage"]},
    "means": {"epochs": 1, "valid_metric": "GAUC", "metrics": ["Recall", "GAUC"]},
}


def train(folder: Path, rank: int, processes: int, **values: Any) -> dict[str, Any]:
    config = make_config(folder, **VALUES | values)
    if processes > 1:
        config["single_spec"], config["world_size"], config["local_rank"] = False, processes, rank
    trainer, train_data, valid, test = make_run(config)
    if rank:  # other weights in the beginning, which those of process 0 must replace
        nn.init.ones_(trainer.model.stack[0].weight)
    if processes > 1:
        distributed.broadcast_model(trainer.model)
    best = trainer.fit(train_data, valid)
    last = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    result = trainer.evaluate(test)
    return {
        "samples": train_data.sample_size,
        "weights": trainer.model.state_dict(),
        "best": best,
        "last": last,
        "test": result,
        "ranks": None if trainer.last_ranks is None else torch.from_numpy(trainer.last_ranks),
        "losses": trainer.record.losses,
        "file": trainer.saved_model_file,
    }


def work(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    check_broadcast(rank)
    check_sampled(folder / "plain", rank)
    check_general(folder / "plain", rank)
    for name, values in RUNS.items():
        os.chdir(folder / name)
        torch.save(train(folder / name, rank, 2, **values), folder / name / f"end{rank}.pt")
    dist.destroy_process_group()


def check_broadcast(rank: int) -> None:
    """Weights and saved buffers become those of process 0; frozen features are not sent, which takes long."""
    layer = nn.BatchNorm1d(3)
    model = nn.ModuleDict({"features": FrozenFeatures(torch.full((4, 2), float(rank))), "layer": layer})
    nn.init.constant_(layer.weight, float(rank + 1))
    layer.running_mean.fill_(rank + 1)
    distributed.broadcast_model(model)
    assert layer.weight.tolist() == layer.running_mean.tolist() == [1.0] * 3
    assert model["features"].matrix.unique().tolist() == [float(rank)]


def shared(config: Any, rank: int) -> Any:
    config["single_spec"], config["world_size"], config["local_rank"] = False, 2, rank
    return config


def check_sampled(folder: Path, rank: int) -> None:
    """Sampled candidates are several rows per user; those of the user that is dealt out twice count once."""
    values = {"mode": "uni3", "metrics": ["AUC"], "valid_metric": "AUC"}
    *_, test = make_run(shared(make_config(folder, **VALUES | values), rank))
    labels = torch.cat([batch["label"] for batch, *_ in test])
    assert len(test.sampler) == 31
    gathered = distributed.gather_rows(labels, test)
    assert len(gathered) == USERS * 4
    assert gathered.sum().item() == USERS


def general(folder: Path, rank: int, processes: int) -> tuple[str, dict[str, float]]:
    """Test result of an untrained model by RecBole's own trainer."""
    os.chdir(folder)
    config = make_config(folder, BPR, train_neg_sample_args={"distribution": "uniform", "sample_num": 1})
    config = shared(config, rank) if processes > 1 else config
    init_seed(5, True)
    train_data, _, test = data_preparation(config, create_dataset(config))
    model = BPR(config, train_data.dataset)
    trainer = trainer_class(config, model)(config, model)
    return type(trainer).__name__, trainer.evaluate(test, load_best_model=False)


def check_general(folder: Path, rank: int) -> None:
    torch.save(general(folder, rank, 2), folder / f"general{rank}.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One start of two processes does all the runs: starting takes longer than running."""
    folder = tmp_path_factory.mktemp("two")
    for name in RUNS:
        write_dataset(folder / name, seed=EVEN)
    in_processes(work, folder)
    return folder


def ends(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Both processes' end, and that of one process with the same settings."""
    monkeypatch.chdir(folder / name)
    two = [torch.load(folder / name / f"end{rank}.pt", weights_only=False) for rank in range(2)]
    return [*two, train(folder / name, 0, 1, **RUNS[name])]


def test_two_processes_train_and_evaluate_as_one(folder, monkeypatch):
    first, second, one = ends(folder, "plain", monkeypatch)
    assert one["samples"] % 2 == 0
    assert first["file"] == second["file"]
    assert first["test"] == second["test"]
    assert first["best"] == second["best"]
    assert first["losses"] == pytest.approx(one["losses"], rel=1e-5)
    for name, value in one["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name])
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-4, atol=1e-5)
    assert torch.equal(first["ranks"], one["ranks"])  # 61 users: one row is dealt out twice
    assert first["test"] == pytest.approx(one["test"])


@pytest.mark.parametrize("name", ["lists", "means"])
def test_recboles_own_metrics_see_every_row_once(folder, monkeypatch, name):
    first, second, one = ends(folder, name, monkeypatch)
    assert first["ranks"] is None
    assert first["test"] == second["test"] == pytest.approx(one["test"], rel=1e-6)


def test_recboles_own_trainer_counts_every_user_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    name, one = general(folder / "plain", 0, 1)
    for rank in range(2):
        same, two = torch.load(folder / "plain" / f"general{rank}.pt", weights_only=False)
        assert same == name == "Trainer"
        assert two == pytest.approx(one, rel=1e-6)


def test_one_process_goes_on_where_two_left_off(folder, monkeypatch):
    monkeypatch.chdir(folder)
    last = next(path for path in (folder / "plain" / "saved").glob("*.last.pth") if _processes(path) == 2)
    values = VALUES | {"epochs": 3}
    trainer, train_data, valid, _ = make_run(make_config(folder / "plain", TinyModel, **values))
    trainer.resume_checkpoint(last)
    trainer.fit(train_data, valid)
    whole = train(folder / "plain", 0, 1, epochs=3)
    assert trainer.record.losses == pytest.approx(whole["losses"], rel=1e-5)
    for name, value in trainer.model.state_dict().items():
        torch.testing.assert_close(value, whole["last"][name], rtol=1e-4, atol=1e-5)


def _processes(path: Path) -> int:
    return len((read_checkpoint(path).training or {})["random"])


def test_alone_nothing_happens():
    assert (distributed.world_size(), distributed.rank()) == (1, 0)
    assert distributed.gather_objects("x") == ["x"]
    assert distributed.broadcast_object("x") == "x"
    assert distributed.total(torch.ones(1)).item() == 1.0

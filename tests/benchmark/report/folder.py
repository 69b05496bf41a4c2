"""Benchmark folders as a benchmark leaves them, made up: the test metrics are those of the users' ranks."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mmm4rec.benchmark.report.runs import Run

METRICS = ("recall@10", "recall@50", "ndcg@10", "ndcg@50")
DEPTH = 50


@dataclass
class Setting:
    """A setting to make runs of: the better, the lower the ranks; the faster, the fewer epochs."""

    label: str
    model: str
    quality: float
    speed: float = 6.0
    changes: dict[str, Any] = field(default_factory=dict)
    pretrain_key: str | None = None
    parameters: int = 400_000


SETTINGS = [
    Setting("SASRec", "SASRec", 0.95, 7),
    Setting("GRU4Rec", "GRU4Rec", 0.80, 9, parameters=520_000),
    Setting("BERT4Rec", "BERT4Rec", 0.86, 14, parameters=610_000),
    Setting("FDSA", "FDSA", 1.0, 6, parameters=880_000),
    Setting("UniSRec", "UniSRec", 1.06, 8, parameters=1_250_000),
    Setting("MMM4Rec", "MMM4Rec", 1.25, 3, parameters=930_000),
]
VARIANTS = [
    Setting("w/o time", "MMM4Rec", 1.2, 3, {"use_time": False}),
    Setting("w/o sharing", "MMM4Rec", 1.16, 3, {"share_weights": False}),
    Setting("2 layers", "MMM4Rec", 1.26, 4, {"n_layers": 2}),
    Setting("pre-trained", "MMM4Rec", 1.33, 1.5, {}, "pre"),
]


def record(
    setting: Setting, dataset: str, seed: int, rows: dict[str, np.ndarray], **more: Any
) -> dict[str, Any]:
    """A finished run with a course of training that suits its quality and speed."""
    key = f"{setting.label}-{dataset}-{seed}-{len(more)}".replace("/", "").replace(" ", "")
    test = test_metrics(rows["rank"])
    epochs = int(3 * setting.speed) + seed % 3 + 3
    curve = course(test["ndcg@10"], setting.speed, epochs, seed)
    best = max(range(epochs), key=lambda epoch: curve[epoch]["valid"]["ndcg@10"])
    config = {"valid_metric": "NDCG@10", "MAX_ITEM_LIST_LENGTH": 20, "seed": seed, "model": setting.model}
    return {
        "key": key,
        "model": setting.model,
        "dataset": dataset,
        "setting": setting.label,
        "seed": seed,
        "stage": "finetune",
        "changes": setting.changes,
        "config": config | setting.changes,
        "versions": {"recbole_mmm4rec": "0.1.0", "recbole": "1.2.1", "torch": "2.13.0", "device": "CPU"},
        "status": "finished",
        "error": None,
        "valid": curve[best]["valid"],
        "test": test,
        "epochs": epochs,
        "best_epoch": best,
        "steps": curve[-1]["steps"],
        "steps_to_best": curve[best]["steps"],
        "seconds": curve[-1]["seconds"] * 1.2,
        "train_seconds": curve[-1]["seconds"],
        "seconds_per_epoch": curve[-1]["seconds"] / epochs,
        "peak_memory_mib": 700 + setting.parameters / 4000,
        "parameters": setting.parameters,
        "curve": curve,
        "pretrain_key": setting.pretrain_key,
        "users": f"runs/{key}/users.npz",
        "finished": "2026-01-01T00:00:00+00:00",
    } | more


def course(goal: float, speed: float, epochs: int, seed: int) -> list[dict[str, Any]]:
    """Validation that rises to ``goal`` and falls a little afterwards."""
    noise = np.random.default_rng(seed).normal(0, 0.01 * goal, epochs)
    numbers = np.arange(1, epochs + 1)
    values = goal * (1.04 - np.exp(-2.5 * numbers / speed) - 0.004 * numbers) + noise
    return [
        {
            "epoch": int(number) - 1,
            "steps": int(number) * 120,
            "seconds": float(number) * (1.5 + speed / 5),
            "valid": {"ndcg@10": float(value), "recall@10": float(1.8 * value)},
            "loss": float(8 - value),
        }
        for number, value in zip(numbers, values, strict=True)
    ]


def users(dataset: str, quality: float, seed: int, count: int = 3000) -> dict[str, np.ndarray]:
    """Test rows: the longer the history and the more popular the item, the lower the rank."""
    fixed = np.random.default_rng(len(dataset))
    history = 3 + fixed.geometric(0.15, count)
    popularity = np.floor(fixed.pareto(1.1, count) * 6).astype(int)
    image = fixed.random(count) < 0.55
    difficulty = fixed.normal(0, 1.6, count)
    ease = quality + 0.12 * np.log(history) + 0.25 * np.log1p(popularity) + 0.15 * image * (quality - 0.8)
    shift = np.random.default_rng(seed + int(1000 * quality)).normal(0, 0.5, count)
    rank = np.exp(6.4 - ease + difficulty + shift).astype(np.int32)
    return {
        "user": np.arange(1, count + 1),
        "rank": np.minimum(rank, 5000).astype(np.int32),
        "history_length": history,
        "item": fixed.integers(1, 900, count),
        "item_count": popularity,
        "has_text": np.ones(count, dtype=bool),
        "has_image": image,
    }


def test_metrics(rank: np.ndarray) -> dict[str, float]:
    """Recall and NDCG at 10 and 50."""
    values = {}
    for cutoff in (10, DEPTH):
        hit = rank < cutoff
        values[f"recall@{cutoff}"] = float(hit.mean())
        values[f"ndcg@{cutoff}"] = float((hit / np.log2(rank + 2.0)).mean())
    return values


test_metrics.__test__ = False  # type: ignore[attr-defined]


def add(
    folder: Path, setting: Setting, dataset: str, seed: int, count: int = 3000, **more: Any
) -> dict[str, Any]:
    """Make a run, write its users, and return its record."""
    rows = users(dataset, setting.quality, seed, count)
    entry = record(setting, dataset, seed, rows, **more)
    place = folder / entry["users"]
    place.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(place, **rows)
    return entry


def make_run(setting: str = "SASRec", seed: int = 2020, **values: Any) -> Run:
    """A finished run with the given fields of its record."""
    base = {"key": f"{setting}-{seed}-{values.get('dataset', 'shop')}", "model": setting, "dataset": "shop"}
    config = {"valid_metric": "NDCG@10"} | values.pop("config", {})
    return Run.model_validate(
        base | {"setting": setting, "seed": seed, "status": "finished", "config": config} | values
    )


def write_runs(folder: Path, entries: list[dict[str, Any]]) -> None:
    """``runs.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def whole_benchmark(folder: Path, seeds: tuple[int, ...] = (2020, 2021, 2022), count: int = 3000) -> None:
    """Two datasets: settings, ablations, transfer, truncation, full-modality subset, trials, a failed run."""
    entries = []
    for dataset in ("ml-latest-small", "amazon-2018-scientific"):
        for setting in [*SETTINGS, *VARIANTS]:
            entries += [add(folder, setting, dataset, seed, count) for seed in seeds]
        for length in (5, 10, 50):
            for setting in (SETTINGS[0], SETTINGS[-1]):
                changes = {"MAX_ITEM_LIST_LENGTH": length}
                quality = setting.quality * (1 - 0.4 / length)
                short = Setting(f"{setting.label}, L = {length}", setting.model, quality, 4, changes)
                entries += [add(folder, short, dataset, seed, count) for seed in seeds]
    for setting in SETTINGS[3:]:
        for seed in seeds:
            entry = add(folder, setting, "amazon-2018-scientific", seed, count, error="")
            entry["config"] = entry["config"] | {"full_modality_only": True}
            entries.append(entry)
    for number, rate in enumerate((0.001, 0.003)):
        entry = record(SETTINGS[0], "ml-latest-small", seeds[0], users("ml-latest-small", 1, 0))
        entries.append(entry | {"key": f"trial{number}", "trial": {"rate": rate}, "test": {}, "users": None})
    entries.append(
        record(Setting("MMM4Rec, pre-training", "MMM4Rec", 1), "ml-1m", 2020, users("ml-1m", 1, 0))
    )
    entries[-1] |= {"key": "pre", "stage": "pretrain", "test": {}, "users": None}
    entries.append(entries[0] | {"key": "broken", "seed": 2023, "status": "failed", "test": {}, "valid": {}})
    entries[-1]["error"] = "RuntimeError: the loss of epoch 3 is not a number"
    write_runs(folder, entries)

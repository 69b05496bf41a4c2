"""One run of a benchmark, as a line of ``runs.jsonl`` tells it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REQUIRED = ("key", "model", "dataset", "setting", "status")
STATUSES = ("finished", "failed")


@dataclass(frozen=True)
class Epoch:
    """A validated epoch.

    Attributes:
        number: counted from 1, so that it is the number of epochs trained.
        steps: optimiser steps since training began; None where not recorded.
        seconds: wall time since training began; None where not recorded.
        valid: validation metrics, by RecBole's lower-case names.
    """

    number: int
    steps: float | None
    seconds: float | None
    valid: dict[str, float]


@dataclass(frozen=True)
class Run:
    """A run. Metrics that are not finite are left out; costs that were not recorded are None.

    Attributes:
        setting: the label under which runs that differ by seed alone are averaged.
        changes: keys that the setting sets.
        best_epoch: epochs trained when the validation metric was best, counted from 1.
        seconds, train_seconds, seconds_per_epoch: wall time of the run, of its training, of a trained epoch.
        peak_memory: MiB.
        users: file of per-user results, relative to the benchmark's folder.
    """

    key: str
    model: str
    dataset: str
    setting: str
    seed: int | None
    stage: str
    changes: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, Any]
    finished: bool
    error: str
    valid: dict[str, float]
    test: dict[str, float]
    epochs: float | None
    best_epoch: float | None
    steps: float | None
    steps_to_best: float | None
    seconds: float | None
    train_seconds: float | None
    seconds_per_epoch: float | None
    peak_memory: float | None
    parameters: float | None
    curve: tuple[Epoch, ...]
    pretrain_key: str | None
    users: str | None

    @property
    def full_modality(self) -> bool:
        """Whether items without every feature file were filtered out."""
        return bool(self.config.get("full_modality_only"))

    @property
    def valid_metric(self) -> str:
        """Lower-case name of the metric that chose the epoch."""
        return str(self.config.get("valid_metric", "")).lower()

    @property
    def seconds_to_best(self) -> float | None:
        """Wall time from the start of training to the best epoch."""
        return next((e.seconds for e in self.curve if e.number == self.best_epoch), None)


def run_from(entry: Any) -> Run:
    """A run from a line's JSON.

    Raises:
        ValueError: no object, a required key is missing, or a value is of the wrong kind.
    """
    if not isinstance(entry, dict):
        raise ValueError("no JSON object")
    missing = [name for name in REQUIRED if not isinstance(entry.get(name), str)]
    if missing:
        raise ValueError(f"'{missing[0]}' is missing or no text")
    if entry["status"] not in STATUSES:
        raise ValueError(f"status '{entry['status']}' is neither of {', '.join(STATUSES)}")
    numbers: dict[str, Any] = {name: _number(entry, name) for name in _COSTS}
    mappings: dict[str, Any] = {name: _mapping(entry, name) for name in ("changes", "config", "versions")}
    seed, best = _number(entry, "seed"), _number(entry, "best_epoch")
    return Run(
        key=entry["key"],
        model=entry["model"],
        dataset=entry["dataset"],
        setting=entry["setting"],
        seed=None if seed is None else int(seed),
        stage=str(entry.get("stage") or "finetune"),
        finished=entry["status"] == "finished",
        error=str(entry.get("error") or ""),
        valid=_metrics(entry, "valid"),
        test=_metrics(entry, "test"),
        best_epoch=None if best is None or best < 0 else best + 1,
        peak_memory=_number(entry, "peak_memory_mib"),
        curve=tuple(_epoch(point) for point in entry.get("curve") or []),
        pretrain_key=entry.get("pretrain_key") or None,
        users=entry.get("users") or None,
        **numbers,
        **mappings,
    )


_COSTS = ("epochs", "steps", "steps_to_best", "seconds", "train_seconds", "seconds_per_epoch", "parameters")


def _epoch(point: Any) -> Epoch:
    if not isinstance(point, dict):
        raise ValueError("'curve' holds something that is no object")
    number = _number(point, "epoch")
    if number is None:
        raise ValueError("a point of 'curve' has no epoch")
    return Epoch(
        int(number) + 1, _number(point, "steps"), _number(point, "seconds"), _metrics(point, "valid")
    )


def _mapping(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = entry.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"'{name}' is no object")
    return value


def _metrics(entry: Mapping[str, Any], name: str) -> dict[str, float]:
    """Finite values by lower-case name."""
    values = _mapping(entry, name)
    numbers = {metric.lower(): _number(values, metric) for metric in values}
    return {metric: number for metric, number in numbers.items() if number is not None}


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'{name}' is no number: {value!r}")
    return value if math.isfinite(value) else None

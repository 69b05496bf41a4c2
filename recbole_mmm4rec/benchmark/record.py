"""A line of ``runs.jsonl``: what a run was, its results and its cost.

The schema is :class:`recbole_mmm4rec.benchmark.report.runs.Run`.
"""

import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from recbole_mmm4rec.benchmark.clock import device_name
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.quick_start.run_key import package_versions
from recbole_mmm4rec.quick_start.training_run import Selection, best_epoch
from recbole_mmm4rec.training.run_record import RunRecord

FINISHED, FAILED = "finished", "failed"
MEBIBYTE = 2**20


def blank_record(plan: RunPlan) -> dict[str, Any]:
    """The fields of a run, before anything is known about its outcome."""
    return {
        "key": plan.key,
        "task": plan.task,
        "model": plan.model,
        "dataset": plan.dataset,
        "setting": plan.setting,
        "seed": plan.seed,
        "stage": plan.stage,
        "trial": plan.trial,
        "changes": plan.changes,
        "config": plan.config,
        "versions": plan.versions
        | package_versions()
        | {"python": platform.python_version(), "device": None},
        "status": FAILED,
        "error": None,
        "valid": {},
        "test": {},
        "epochs": 0,
        "best_epoch": None,
        "steps": 0,
        "steps_to_best": None,
        "seconds": 0.0,
        "train_seconds": 0.0,
        "train_cpu_seconds": None,
        "seconds_per_epoch": None,
        "peak_memory_mib": None,
        "parameters": None,
        "curve": [],
        "pretrain_key": plan.pretrain.key if plan.pretrain else None,
        "users": None,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def failed_record(plan: RunPlan, error: str) -> dict[str, Any]:
    """A run that ended without a result; ``error`` is one line."""
    return blank_record(plan) | {"error": " ".join(error.split())}


def finished_record(
    plan: RunPlan, selection: Selection, test: Mapping[str, float] | None, seconds: float, peak: int
) -> dict[str, Any]:
    """A run with its result.

    Args:
        plan: what was asked for.
        selection: the trained model and how its epoch was chosen.
        test: the test result of the chosen epoch; None in pre-training and in trials of a search.
        seconds: wall time of this process, without what came before an interruption.
        peak: peak memory in bytes.
    """
    trainer = selection.trainer
    points = curve(selection)
    ends = [point for point in points if point["epoch"] is not None]
    spent = ends[-1]["seconds"] if ends else 0.0
    epochs = len(getattr(trainer, "train_loss_dict", ()))
    best = best_epoch(selection, trainer.config["valid_metric_bigger"])
    steps_at = {point["epoch"]: point["steps"] for point in ends}
    return blank_record(plan) | {
        "versions": blank_record(plan)["versions"] | {"device": device_name(trainer.device)},
        "status": FINISHED,
        "valid": _numbers(selection.valid),
        "test": _numbers(test),
        "epochs": epochs,
        "best_epoch": best,
        "steps": ends[-1]["steps"] if ends else 0,
        "steps_to_best": steps_at.get(best),
        "seconds": round(seconds + _seconds_before(trainer), 3),
        "train_seconds": round(spent, 3),
        "train_cpu_seconds": ends[-1]["cpu_seconds"] if ends else None,
        "seconds_per_epoch": round(spent / epochs, 4) if epochs else None,
        "peak_memory_mib": round(peak / MEBIBYTE, 1),
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "curve": points,
    }


def curve(selection: Selection) -> list[dict[str, Any]]:
    """A point per epoch and per validation within one: optimiser steps and training time so far, and results.

    ``epochs`` is how many were trained by then, ``epoch`` the number of the one that ended, None within one.
    RecBole's trainers keep no record: for them only the score is known, and seconds include validation.
    """
    record = getattr(selection.trainer, "record", None)
    if record is None:
        return _curve_of_scores(selection)
    return sorted([*_ends_of_epochs(record), *_within_epochs(record)], key=lambda point: point["steps"])


def _ends_of_epochs(record: RunRecord) -> Iterator[dict[str, Any]]:
    spent, cpu_spent = list(accumulate(record.seconds)), list(accumulate(record.cpu_seconds))
    whole = len(cpu_spent) == record.epochs  # a run that an earlier version began lacks some
    for epoch in range(record.epochs):
        yield {
            "epoch": epoch,
            "epochs": epoch + 1,
            "steps": record.steps * (epoch + 1) // record.epochs,  # every epoch has the same number
            "seconds": round(spent[epoch], 3),
            "cpu_seconds": round(cpu_spent[epoch], 3) if whole else None,
            "valid": record.valid.get(epoch, {}),
            "loss": record.losses[epoch],
        }


def _within_epochs(record: RunRecord) -> Iterator[dict[str, Any]]:
    for point in record.within:
        yield {
            "epoch": None,
            "epochs": round(point.steps * record.epochs / max(record.steps, 1), 4),
            "steps": point.steps,
            "seconds": round(point.seconds, 3),
            "cpu_seconds": round(point.cpu_seconds, 3),
            "valid": point.valid,
            "loss": None,
        }


def _curve_of_scores(selection: Selection) -> list[dict[str, Any]]:
    trainer = selection.trainer
    metric, losses = str(trainer.config["valid_metric"]).lower(), getattr(trainer, "train_loss_dict", {})
    return [
        {
            "epoch": epoch,
            "epochs": epoch + 1,
            "steps": None,
            "seconds": round(seconds, 3),
            "cpu_seconds": None,
            "valid": {metric: score},
            "loss": losses.get(epoch),
        }
        for epoch, score, seconds in selection.epochs
    ]


def _seconds_before(trainer: Any) -> float:
    """Training seconds of the epochs that an interrupted process finished."""
    record = getattr(trainer, "record", None)
    return sum(record.seconds[: trainer.start_epoch]) if record else 0.0


def _numbers(result: Mapping[str, float] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (result or {}).items()}

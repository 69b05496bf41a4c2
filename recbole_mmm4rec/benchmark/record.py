"""A line of ``runs.jsonl``: what a run was, its results and its cost.

The schema is :class:`recbole_mmm4rec.benchmark.report.runs.Run`.
"""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from recbole_mmm4rec.benchmark.clock import device_name
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.quick_start.run_key import package_versions
from recbole_mmm4rec.quick_start.training_run import Selection, best_epoch

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
        "changes": plan.changes,
        "config": plan.config,
        "versions": {**package_versions(), "python": platform.python_version(), "device": None},
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
        test: the test result of the chosen epoch; None in pre-training.
        seconds: wall time of this process, without what came before an interruption.
        peak: peak memory in bytes.
    """
    trainer = selection.trainer
    points = curve(selection)
    spent = points[-1]["seconds"] if points else 0.0
    epochs = len(getattr(trainer, "train_loss_dict", ()))
    best = best_epoch(selection, trainer.config["valid_metric_bigger"])
    steps_at = {point["epoch"]: point["steps"] for point in points}
    return blank_record(plan) | {
        "versions": blank_record(plan)["versions"] | {"device": device_name(trainer.device)},
        "status": FINISHED,
        "valid": _numbers(selection.valid),
        "test": _numbers(test),
        "epochs": epochs,
        "best_epoch": best,
        "steps": points[-1]["steps"] if points else 0,
        "steps_to_best": steps_at.get(best),
        "seconds": round(seconds + _seconds_before(trainer), 3),
        "train_seconds": round(spent, 3),
        "seconds_per_epoch": round(spent / epochs, 4) if epochs else None,
        "peak_memory_mib": round(peak / MEBIBYTE, 1),
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "curve": points,
    }


def curve(selection: Selection) -> list[dict[str, Any]]:
    """A point per epoch: optimiser steps and training seconds so far, validation result, loss.

    RecBole's trainers keep no record: for them only the score is known, and seconds include validation.
    """
    record = getattr(selection.trainer, "record", None)
    if record is None:
        return _curve_of_scores(selection)
    spent = list(accumulate(record.seconds))
    return [
        {
            "epoch": epoch,
            "steps": record.steps * (epoch + 1) // record.epochs,  # every epoch has the same number
            "seconds": round(spent[epoch], 3),
            "valid": record.valid.get(epoch, {}),
            "loss": record.losses[epoch],
        }
        for epoch in range(record.epochs)
    ]


def _curve_of_scores(selection: Selection) -> list[dict[str, Any]]:
    trainer = selection.trainer
    metric, losses = str(trainer.config["valid_metric"]).lower(), getattr(trainer, "train_loss_dict", {})
    return [
        {
            "epoch": epoch,
            "steps": None,
            "seconds": round(seconds, 3),
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

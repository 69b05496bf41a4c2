"""The runs of a benchmark: the schema of a line of ``runs.jsonl``, and the whole file."""

import json
import math
from logging import getLogger
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.schema import checked, without_nothing


def _if_finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _whole_if_possible(value: Any) -> Any:
    """JSON of other programs writes whole numbers as 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _finite_by_lower_case(values: dict[str, float]) -> dict[str, float]:
    return {name.lower(): number for name, number in values.items() if math.isfinite(number)}


def _from_one(epoch: int | None) -> int | None:
    return None if epoch is None or epoch < 0 else epoch + 1


Number = Annotated[float | None, AfterValidator(_if_finite)]
Whole = Annotated[int | None, BeforeValidator(_whole_if_possible)]
Metrics = Annotated[dict[str, float], BeforeValidator(without_nothing), AfterValidator(_finite_by_lower_case)]
"""Finite values by lower-case name."""


class _Entry(BaseModel):
    """A JSON object: no conversion of types; unknown keys are ignored, null means not recorded."""

    model_config = ConfigDict(strict=True, frozen=True, populate_by_name=True)
    _drop_null = model_validator(mode="before")(without_nothing)


class Point(_Entry):
    """A point of a learning curve: a validated epoch, or a validation within one.

    Attributes:
        number: the epoch that ended here, counted from 1 (from 0 in the file); None within an epoch.
        epochs: epochs trained by then; in files of before, by the number of the epoch.
        steps: optimiser steps since training began; None if not recorded.
        seconds: wall time since training began; None if not recorded.
        cpu_seconds: likewise of the processor.
        valid: validation metrics, by RecBole's lower-case names.
    """

    number: Annotated[Whole, AfterValidator(_from_one)] = Field(None, alias="epoch")
    epochs: float
    steps: Number = None
    seconds: Number = None
    cpu_seconds: Number = None
    valid: Metrics = {}

    @model_validator(mode="before")
    @classmethod
    def _epochs_by_number(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("epoch"), int | float):
            return {"epochs": value["epoch"] + 1} | value
        return value


class Run(_Entry):
    """A run. Metrics that are not finite are left out; costs that were not recorded are None.

    Attributes:
        setting: the label under which runs that differ only by seed are averaged.
        changes: keys that the setting sets.
        trial: values that it tried in a search; None for a run whose result counts.
        best_epoch: epochs trained when the validation metric was best, counted from 1; from 0 in the file.
        seconds, train_seconds, seconds_per_epoch: wall time of the run, of its training, of a trained epoch.
        train_cpu_seconds: processor time of the training.
        peak_memory: MiB.
        users: file of per-user results, relative to the benchmark's folder.
    """

    key: str
    model: str
    dataset: str
    setting: str
    status: Literal["finished", "failed"]
    seed: Whole = None
    stage: str = "finetune"
    changes: dict[str, Any] = {}
    trial: dict[str, Any] | None = None
    config: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    error: str = ""
    valid: Metrics = {}
    test: Metrics = {}
    epochs: Number = None
    best_epoch: Annotated[Whole, AfterValidator(_from_one)] = None
    steps: Number = None
    steps_to_best: Number = None
    seconds: Number = None
    train_seconds: Number = None
    train_cpu_seconds: Number = None
    seconds_per_epoch: Number = None
    peak_memory: Number = Field(None, alias="peak_memory_mib")
    parameters: Number = None
    curve: list[Point] = []
    pretrain_key: str | None = None
    users: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the run ended with a result."""
        return self.status == "finished"

    @property
    def from_scratch(self) -> bool:
        """Whether it started from random weights, not from a pre-training of the study or a checkpoint."""
        return not (self.pretrain_key or self.config.get("pretrained") or self.changes.get("pretrained"))

    @property
    def full_modality(self) -> bool:
        """Whether items without every feature file were filtered out."""
        return bool(self.config.get("full_modality_only"))

    @property
    def valid_metric(self) -> str:
        """Lower-case name of the metric that chose the epoch."""
        return str(self.config.get("valid_metric", "")).lower()

    @property
    def best_point(self) -> Point | None:
        """Where the best epoch ended."""
        ends = (point for point in self.curve if point.number is not None)
        return next((point for point in ends if point.number == self.best_epoch), None)


def read_runs(path: Path) -> list[Run]:
    """All runs of a file, in its order; of lines with the same key and setting the last one counts.

    A last line that was cut off (a benchmark was killed while it wrote) is left out and logged.

    Raises:
        UserError: there is no file, no run in it, or a broken line; names the line and the key.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; a report needs the folder of a benchmark")
    lines = path.read_bytes().decode("utf-8", errors="replace").split("\n")
    runs: dict[tuple[str, str], Run] = {}
    for number, line in enumerate(lines, start=1):
        run = _read(f"{path}, line {number}", line, last=number == len(lines)) if line.strip() else None
        if run:
            runs[run.key, run.setting] = run
    if not runs:
        raise UserError(f"{path}: no run in it")
    return list(runs.values())


def _read(place: str, line: str, last: bool) -> Run | None:
    """The run of a line. Only a line without its line feed is ``last``, and only that one may be cut off."""
    try:
        entry = json.loads(line)
        json.dumps(entry, ensure_ascii=False).encode()  # an unpaired surrogate cannot be written to the page
    except UnicodeEncodeError as error:
        raise UserError(f"{place}: has a character that is not valid Unicode") from error
    except RecursionError as error:
        raise UserError(f"{place}: nested too deeply") from error
    except ValueError as error:
        if last:
            getLogger().warning("%s: cut off and left out", place)
            return None
        raise UserError(f"{place}: not readable as JSON: {error}") from error
    return checked(Run, place, entry)

"""What a checkpoint says of an unfinished training, checked before a run goes on with it."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, TypeAdapter, model_validator
from torch import Tensor
from torch.optim import Optimizer

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.schema import Strict
from recbole_mmm4rec.training.checkpoint_parts import using
from recbole_mmm4rec.training.run_record import RunRecord


def _in_its_folder(name: str) -> str:
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise ValueError(f"expected the name of a file beside the checkpoint, found '{name[:60]}'")
    return name


_RECORD = TypeAdapter(RunRecord)
"""A strict model takes only an instance of a dataclass; a checkpoint holds a dictionary."""


class TrainingState(Strict):
    """The part ``training`` of a checkpoint.

    Attributes:
        next_epoch: the epoch to go on with, from 0.
        cur_step: validations without a better score.
        record: numbers of the run so far.
        best_file: the best model's file, in the folder of the checkpoint.
        random: states of the random number generators, one entry for each process.
        attempts: who may go on with the run by itself.
        data_files: hash of each file of the dataset, by its name; empty where nobody said.
        own_weights: where the checkpoint's weights are an average, what training goes on with, by name.
    """

    next_epoch: NonNegativeInt
    cur_step: NonNegativeInt
    best_valid_score: float
    record: Annotated[RunRecord, BeforeValidator(_RECORD.validate_python)]
    best_file: Annotated[str, AfterValidator(_in_its_folder)]
    random: Annotated[list[dict[str, Any]], Field(min_length=1)]
    own_weights: dict[str, Any] | None = None
    attempts: list[str] = []
    data_files: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_run(self) -> "TrainingState":
        record, epochs = self.record, self.next_epoch
        if not epochs == record.epochs == len(record.losses) == len(record.seconds):
            raise ValueError(f"record: of other epochs than the {epochs} before next_epoch")
        if len(record.cpu_seconds) > epochs or any(not 0 <= p.steps <= record.steps for p in record.within):
            raise ValueError("record: a curve of another run")
        if not -1 <= record.best_epoch < max(epochs, 1) or record.steps < 0:
            raise ValueError(f"record: best_epoch {record.best_epoch}, {record.steps} steps: not of a run")
        return self


OF_SCORES = ("valid_metric", "eval_args", "rank_seen")
"""Keys that decide what the score of an epoch means: with others the best epoch would be of neither kind."""


def check_scores(path: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a run whose scores do not compare with those that are to come.

    Args:
        path: of the run's checkpoint.
        then, now: settings as :func:`recbole_mmm4rec.training.plain.portable_config` has them.
    """
    for key in OF_SCORES:
        if key in then and then[key] != now.get(key):
            scores = f"the scores of its epochs are of {key} {then[key]}, not {now.get(key)}"
            raise UserError(f"{path}: cannot be resumed, {scores}")


_OWN_OPTIONS = ("lr", "weight_decay")


@contextmanager
def given_anew(optimizer: Optimizer) -> Iterator[None]:
    """Within it an optimiser takes up a state, but for the learning rate and the decay that it has."""
    given = [{key: group[key] for key in _OWN_OPTIONS if key in group} for group in optimizer.param_groups]
    yield
    for group, values in zip(optimizer.param_groups, given, strict=True):
        group.update(values)


_NUMBERS = ("step", "mu_product")
"""What PyTorch's optimisers keep of a parameter as one number, whatever its shape."""


def load_optimizer(path: str, optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Give an optimiser the state that an earlier one of the same parameters had.

    Raises:
        UserError: the state is of other parameters or of another optimiser, or damaged.
    """
    before = [dict(group) for group in optimizer.param_groups]
    with using(path, "optimiser"):
        try:
            optimizer.load_state_dict(dict(state))
        except ValueError as error:
            raise UserError(
                f"{path}: cannot be resumed, its optimiser had other parameters: {error}; "
                "give the same decay_everything, pretrained, moved_rate_scale and item_rate_scale"
            ) from None
        reason = _group_fault(before, optimizer) or _state_fault(optimizer)
    if reason is not None:
        raise UserError(f"{path}: damaged checkpoint, the state of its optimiser is unreadable ({reason})")


def _group_fault(before: list[dict[str, Any]], optimizer: Optimizer) -> str | None:
    """What is wrong with the options of the groups of parameters, such as the learning rate."""
    for fresh, group in zip(before, optimizer.param_groups, strict=True):
        for key, value in fresh.items():
            if key not in group:
                return f"no {key}"
            if key != "params" and not _is_alike(group[key], value):
                return f"{key}: {group[key]!r}"[:100]
    return None


def _is_alike(value: Any, fresh: Any) -> bool:
    """Whether an option is of the type that a fresh optimiser has there, and a number in it is finite."""
    if isinstance(fresh, tuple | list):
        same = isinstance(value, type(fresh)) and len(value) == len(fresh)
        return same and all(map(_is_alike, value, fresh))
    if isinstance(fresh, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(fresh)


def _state_fault(optimizer: Optimizer) -> str | None:
    """What is wrong with what the optimiser remembers of the parameters."""
    names = [set(kept) for kept in optimizer.state.values()]
    if any(each != names[0] for each in names):
        return "some parameters have parts that others lack"
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            if name in _NUMBERS:
                fault = not _is_count(value)
            elif isinstance(value, Tensor):
                fault = value.layout != torch.strided or value.shape != parameter.shape
            else:
                fault = value is not None and not isinstance(value, int | float)
            if fault:
                found = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f": {value!r}"
                return f"{name}{found}"[:100]
    return None


def _is_count(value: Any) -> bool:
    """Whether this is one finite number from 0."""
    if isinstance(value, Tensor):
        if value.ndim or value.is_complex() or value.layout != torch.strided:
            return False
        value = value.item()
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf

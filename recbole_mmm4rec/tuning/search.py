"""A search: which model on which data, over which values; and one trial of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import time
from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start.run_key import run_key
from recbole_mmm4rec.quick_start.training_run import select_or_continue
from recbole_mmm4rec.tuning.shared_data import SharedData
from recbole_mmm4rec.tuning.space import Space, fitting, refuse_measures

FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"
CHECKPOINTS = "checkpoints"

Watch = Callable[[int, float], None]


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        model, dataset: the run that is repeated with other values.
        space: values by key.
        given: values that all trials share, from config files and flags.
        folder: where everything lies, absolute.
        data_path: folder of the datasets, absolute.
    """

    model: str
    dataset: str
    space: Space
    given: dict[str, Any]
    folder: Path
    data_path: Path

    def configuration(self, params: Mapping[str, Any], origin: str = "search") -> RunConfig:
        """The configuration of a trial. Raises UserError for a key or value that the model refuses."""
        values = {"show_progress": False} | self.given | self.fitting(params)
        values["data_path"] = str(self.data_path)
        return RunConfig(self.model, self.dataset, config_dict=values, origin=origin)

    def fitting(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Values as plain Python, whole numbers for keys that take no others."""
        return fitting(params, self.model, self.dataset)

    def first(self) -> RunConfig:
        """The configuration with the first value of every key."""
        return self._with({})

    def check(self) -> RunConfig:
        """The same, after every value of a choice was tried: a bad one would end the search in its middle.

        Raises:
            UserError: a value that the model refuses, a key that decides what a score means, or no score.
        """
        refuse_measures("--tune", self.space)
        config = self.first()
        if config["eval_step"] == 0:
            raise UserError("--tune: with eval_step 0 nothing is validated, so there is nothing to choose by")
        for key, values in self.space.items():
            for value in values.values[1:] if values.kind == "choice" else ():
                self._with({key: value})
        return config

    def _with(self, params: dict[str, Any]) -> RunConfig:
        return self.configuration({key: v.first() for key, v in self.space.items()} | params, "--tune")

    def checkpoints(self, key: str) -> Path:
        """Folder of a trial's checkpoints, there as long as the trial is not over."""
        return self.folder / CHECKPOINTS / key

    @cached_property
    def identity(self) -> str:
        """What all trials share but the range of values: scores of other searches do not compare."""
        return run_key(self.first(), but=self.space)

    def key(self, params: Mapping[str, Any]) -> str:
        """Key of the trial's run: the same values on the same data have the same."""
        return run_key(self.configuration(params))


@dataclass
class Trials:
    """Does trials of a search in this process.

    Attributes:
        data: shared by all of them.
    """

    search: Search
    data: SharedData = field(default_factory=SharedData)

    def run(self, params: Mapping[str, Any], watch: Watch | None = None) -> dict[str, Any]:
        """Train with some values and return the trial's record; only validation is looked at.

        A trial that a killed process had begun continues. Raises what the model or the trainer raises, and
        UserError where nothing was validated.

        Args:
            params: values by key.
            watch: called with epoch and validation score; may end the trial.
        """
        started = time()
        config = self.search.configuration(params)
        key = run_key(config)
        config["checkpoint_dir"] = str(self.search.checkpoints(key))
        selection = select_or_continue(config, *self.data.loaders(config), watch)
        if not math.isfinite(selection.score):
            raise UserError("nothing was validated, so there is no score to choose by")
        return trial_record(key, self.search.fitting(params), FINISHED) | {
            "score": float(selection.score),
            "valid": {name: float(value) for name, value in (selection.valid or {}).items()},
            "epochs": len(getattr(selection.trainer, "train_loss_dict", ())),
            "scores": list(selection.scores.values()),
            "seconds": round(time() - started, 2),
        }


def trial_record(
    key: str, params: Mapping[str, Any], status: str, error: str | None = None
) -> dict[str, Any]:
    """A trial's line, without an outcome yet."""
    line = None if error is None else " ".join(error.split())
    return {
        "key": key,
        "params": dict(params),
        "status": status,
        "score": None,
        "valid": {},
        "epochs": 0,
        "scores": [],
        "seconds": None,
        "error": line,
    }

"""What the peers share: interactions, batches, settings of the trainer, and the second epoch's costs."""

import json
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

import pandas as pd
import torch

TRAINER = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_progress_bar": False}
TRAINER |= {"enable_checkpointing": False, "enable_model_summary": False, "limit_val_batches": 0}


class Clock:
    """CPU seconds of every epoch, beside the ``Callback`` of a library's Lightning.

    All clocks share one list, since a library may train by a copy of its trainer.
    """

    seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:  # noqa: ARG002, D102
        self.started = process_time()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:  # noqa: ARG002, D102
        self.seconds.append(process_time() - self.started)


@dataclass(frozen=True)
class Asked:
    """What to train.

    Attributes:
        rows: columns user and item, ordered by user and time.
        length: most items of a history.
        targets: of an epoch, with the last ``length`` targets of every user.
        batch: users a step, for about as many targets a step as was asked for.
    """

    rows: pd.DataFrame
    length: int
    width: int
    inner: int
    heads: int
    layers: int
    dropout: float
    targets: int
    batch: int


def measure(train: Callable[[Asked], None]) -> None:
    """Write the targets, CPU seconds and peak bytes beside the data of ``train``'s second epoch as JSON.

    Args:
        train: trains by :data:`TRAINER` with a :class:`Clock` what the program's argument asks for.
    """
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    asked = _asked(**json.loads(sys.argv[1]))
    before = _peak()
    train(asked)
    found = {"targets": asked.targets, "seconds": Clock.seconds[-1], "peak": _peak() - before}
    sys.stdout.write(json.dumps(found) + "\n")


def _asked(data: str, length: int, targets_per_batch: int, **sizes: Any) -> Asked:
    rows = pd.read_csv(data)
    targets_of = rows.groupby("user").size().clip(upper=length + 1) - 1
    targets = int(targets_of.sum())
    batch = max(1, round(targets_per_batch * len(targets_of) / targets))
    return Asked(rows=rows, length=length, targets=targets, batch=batch, **sizes)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

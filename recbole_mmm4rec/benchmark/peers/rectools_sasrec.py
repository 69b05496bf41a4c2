"""Train RecTools' SASRec for an epoch after a first one and say what it took, as JSON on standard output.

``python rectools_sasrec.py '{"data": "train.csv", "length": 20, "width": 64, "heads": 2, "layers": 2,
"dropout": 0.5, "targets_per_batch": 1024}'``; the file has
the columns user and item, ordered by user and time.
"""

import json
import resource
import sys
import warnings
from time import process_time
from typing import Any, ClassVar

import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


class Clock(Callback):
    """CPU seconds of every epoch; one list for all clocks, since RecTools trains by a copy of its trainer."""

    seconds: ClassVar[list[float]] = []

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:  # noqa: ARG002, D102
        self.started = process_time()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:  # noqa: ARG002, D102
        self.seconds.append(process_time() - self.started)


def main(asked: dict[str, Any]) -> dict[str, float]:
    """Targets and CPU seconds of the second epoch, peak bytes beside the data."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    rows = pd.read_csv(asked["data"]).rename(columns={"user": Columns.User, "item": Columns.Item})
    rows[Columns.Datetime] = pd.to_datetime(range(len(rows)), unit="s")
    rows[Columns.Weight] = 1.0
    read = rows.groupby(Columns.User).size().clip(upper=asked["length"] + 1)
    targets, clock, before = int((read - 1).sum()), Clock(), _peak()
    options = {"max_epochs": 2, "callbacks": [clock], "accelerator": "cpu", "logger": False}
    options |= {"enable_progress_bar": False, "enable_checkpointing": False, "enable_model_summary": False}
    model = SASRecModel(
        n_blocks=asked["layers"],
        n_heads=asked["heads"],
        n_factors=asked["width"],
        dropout_rate=asked["dropout"],
        session_max_len=asked["length"],
        batch_size=max(1, round(asked["targets_per_batch"] * len(read) / targets)),
        get_trainer_func=lambda: Trainer(**options),
    )
    model.fit(Dataset.construct(rows))
    return {"targets": targets, "seconds": clock.seconds[-1], "peak": _peak() - before}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))) + "\n")

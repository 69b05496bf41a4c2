"""Train RecTools' SASRec for an epoch after a first one and say what it took, as JSON on standard output.

``python rectools_sasrec.py '{"data": "train.csv", "length": 20, "width": 64, "inner": 256, "heads": 2,
"layers": 2, "dropout": 0.5, "targets_per_batch": 1024}'``; the file has the columns user and item, ordered by
user and time.
"""

import pandas as pd
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from second_epoch import TRAINER, Asked, Clock, measure


class EpochClock(Clock, Callback):
    """For the Lightning that RecTools uses."""


def train(asked: Asked) -> None:
    """Two epochs by the model's own ``fit``; its layers are as wide inside as outside, whatever is asked."""
    rows = asked.rows.rename(columns={"user": Columns.User, "item": Columns.Item})
    rows[Columns.Datetime] = pd.to_datetime(range(len(rows)), unit="s")
    rows[Columns.Weight] = 1.0
    clock = EpochClock()
    model = SASRecModel(
        n_blocks=asked.layers,
        n_heads=asked.heads,
        n_factors=asked.width,
        dropout_rate=asked.dropout,
        session_max_len=asked.length,
        batch_size=asked.batch,
        get_trainer_func=lambda: Trainer(**TRAINER, callbacks=[clock]),
    )
    model.fit(Dataset.construct(rows))


if __name__ == "__main__":
    measure(train)

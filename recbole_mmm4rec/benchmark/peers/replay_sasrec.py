"""Train RePlay's SASRec for an epoch after a first one and say what it took, as JSON on standard output.

``python replay_sasrec.py '{"data": "train.csv", "length": 20, "width": 64, "inner": 256, "heads": 2,
"layers": 2, "dropout": 0.5, "targets_per_batch": 1024}'``; the file has the columns user and item, ordered by
user and time.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import ParquetModule, TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.nn.lightning import LightningModule
from replay.nn.sequential import LengthBucketedQueryEncoder, SasRec
from replay.nn.transform.template import make_default_sasrec_transforms
from second_epoch import TRAINER, Asked, Clock, measure

ITEM = "item"
BUCKET = 64


class EpochClock(Clock, Callback):
    """For the Lightning that RePlay uses."""


def train(asked: Asked) -> None:
    """Two epochs by RePlay's module and its loader of Parquet files, full cross-entropy over all items.

    Users of similar histories go through the encoder together, which is RePlay's own way to save pads.
    """
    codes, items = pd.factorize(asked.rows[ITEM])
    histories = asked.rows.assign(**{ITEM: codes}).groupby("user")[ITEM].agg(list)
    schema = _schema(len(items), asked.width)
    model = SasRec.from_params(
        schema,
        embedding_dim=asked.width,
        num_heads=asked.heads,
        num_blocks=asked.layers,
        max_sequence_length=asked.length,
        dropout=asked.dropout,
        hidden_dim=asked.inner,
    )
    model.body.encoder = LengthBucketedQueryEncoder(model.body.encoder, BUCKET)
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "train.parquet"))
        histories.to_frame().to_parquet(path, index=False)
        data = ParquetModule(
            batch_size=asked.batch,
            metadata={"train": {ITEM: {"shape": asked.length + 1, "padding": len(items)}}},
            transforms=make_default_sasrec_transforms(schema),
            train_path=path,
        )
        Trainer(**TRAINER, callbacks=[EpochClock()]).fit(LightningModule(model), datamodule=data)


def _schema(items: int, width: int) -> TensorSchema:
    source = TensorFeatureSource(FeatureSource.INTERACTIONS, ITEM)
    feature = TensorFeatureInfo(
        ITEM,
        feature_type=FeatureType.CATEGORICAL,
        is_seq=True,
        feature_hint=FeatureHint.ITEM_ID,
        feature_sources=[source],
        cardinality=items,
        padding_value=items,
        embedding_dim=width,
    )
    return TensorSchema([feature])


if __name__ == "__main__":
    measure(train)

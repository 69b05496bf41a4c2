"""Every file suffix, column and modality name of a multi-modal dataset, once."""

TEXT = "text"
IMAGE = "image"

IMAGES = "images"
"""Folder of a dataset's own pictures, inside the folder of the dataset."""

FEATURE_SUFFIX = ".parquet"
"""A modality's feature file is ``<dataset>.<modality>.parquet``."""

ITEM_ID_COLUMN = "item_id"
"""Token of the item (string) in a feature file."""

EMBEDDING_COLUMN = "embedding"
"""Fixed-size list of float16 or float32 in a feature file."""

MODALITY_METADATA = "modality"
"""Schema metadata key of a feature file: a JSON object (encoder, dimension, template, date)."""

ID = "id"
"""The key of trainable vectors, one per item, in a table of item vectors by modality."""

UNKNOWN = "unknown"
"""Encoder in the metadata of vectors that somebody brought without saying what computed them."""

PAD = 0
"""Item number of an empty position of a history."""

READ_AT = "read_at"
"""Column of a batch that is trained at all positions: (T, 2) int64, row and position of every target."""

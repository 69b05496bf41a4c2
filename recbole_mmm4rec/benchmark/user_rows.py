"""Facts about every test row next to its rank, for tests by user and results by group."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recbole_mmm4rec.data.features import tokens_with_features
from recbole_mmm4rec.data.modalities import feature_files
from recbole_mmm4rec.data.windows import Windows
from recbole_mmm4rec.files import replacing


def user_rows(
    config: Any, train_data: Any, test_data: Any, ranks: np.ndarray, ties: np.ndarray
) -> dict[str, np.ndarray]:
    """Columns of equal length n, one entry per test row, in the order of the data.

    Args:
        config: the run's configuration.
        train_data: RecBole's training loader.
        test_data: RecBole's test loader, of a sequential model.
        ranks: (n,) items that score higher than the target, :attr:`MultiModalTrainer.last_ranks`.
        ties: (n,) other items with its score, :attr:`MultiModalTrainer.last_ties`.

    Returns:
        ``user`` int64 hash of the token, ``item`` (the target) int64 number, ``rank`` and ``tied`` int32,
        ``history_length`` int32 (interactions before the target, whether or not the model reads them),
        ``item_count`` int32 (training interactions of the target), and ``has_<modality>`` bool for every
        feature file of the dataset.
    """
    dataset = test_data._dataset
    rows = dataset.inter_feat
    items = rows[dataset.iid_field].numpy()
    columns = {
        "user": token_hashes(dataset.field2id_token[dataset.uid_field])[rows[dataset.uid_field].numpy()],
        "rank": ranks.astype(np.int32),
        "tied": ties.astype(np.int32),
        "history_length": history_lengths(rows, dataset.item_list_length_field),
        "item": items.astype(np.int64),
        "item_count": training_counts(train_data._dataset)[items].astype(np.int32),
    }
    return columns | modality_columns(config, dataset, items)


def token_hashes(tokens: np.ndarray) -> np.ndarray:
    """(n,) int64, equal for equal tokens in every run; RecBole's numbers depend on what a run filters."""
    return pd.util.hash_array(np.asarray(tokens, dtype=object)).view(np.int64)


def history_lengths(rows: Any, length_field: str) -> np.ndarray:
    """(n,) int32 interactions of the user before each row; for RecBole's windows, the length they keep."""
    if not isinstance(rows, Windows):
        return rows[length_field].numpy().astype(np.int32)
    users = rows.flat.users[:-1].numpy()
    opens = np.flatnonzero(np.r_[True, users[1:] != users[:-1]])
    first = opens[np.searchsorted(opens, rows.target, side="right") - 1]
    return (rows.target - first).astype(np.int32)


def training_counts(dataset: Any) -> np.ndarray:
    """(N + 1,) training interactions of each item: targets, and the first item of each user."""
    rows = dataset.inter_feat
    targets = rows[dataset.iid_field]
    openings = rows[torch.nonzero(rows[dataset.item_list_length_field] == 1).squeeze(1)]
    histories: Tensor = openings.interaction[dataset.iid_field + dataset.config["LIST_SUFFIX"]]
    firsts = histories[:, 0] if len(histories) else targets[:0]
    return np.bincount(torch.cat([targets, firsts]).numpy(), minlength=dataset.item_num)


def modality_columns(config: Any, dataset: Any, items: np.ndarray) -> dict[str, np.ndarray]:
    """``has_<modality>`` (n,) bool: whether the row's target has a vector, read by the model or not."""
    separators = config["field_separator"], config["seq_separator"]
    tokens = pd.Index(dataset.field2id_token[dataset.iid_field])
    columns = {}
    for name, path in feature_files(Path(dataset.dataset_path), dataset.dataset_name, separators[0]).items():
        present = tokens.isin(tokens_with_features(path, separators))
        columns[f"has_{name}"] = present[items]
    return columns


def write_rows(path: Path, columns: dict[str, Any]) -> None:
    """Write an ``.npz``, which appears when it is complete."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **columns)

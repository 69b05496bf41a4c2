"""The dataset of every sequential model here: histories as windows, exact times, features by modality."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mmm4rec.data.atomic import AtomicDataset
from recbole_mmm4rec.data.cache import compare_own_keys, fingerprint, make_unusable
from recbole_mmm4rec.data.features import ModalityFeatures, load_features
from recbole_mmm4rec.data.finite import refuse_infinite
from recbole_mmm4rec.data.full_modality import FullModality
from recbole_mmm4rec.data.known_rows import keep_known_rows
from recbole_mmm4rec.data.modalities import choose_feature_files, report_left_out
from recbole_mmm4rec.data.splitting import hold_out_last, leave_one_out, time_split
from recbole_mmm4rec.data.windows import FlatInteractions, Layout, Windows
from recbole_mmm4rec.errors import UserError

compare_own_keys()


class MultiModalDataset(FullModality, AtomicDataset):
    """RecBole's sequential dataset with windows instead of copies, and with the features of the items.

    Samples, their order and every batch of RecBole's own models are those of ``SequentialDataset``, except
    that times are compared in float64. A model class with ``trims_history = True`` gets the short batches of
    :class:`~recbole_mmm4rec.data.windows.Layout`; one with ``modalities`` gets :attr:`features`.

    Its own config keys: ``modalities`` (list or ~), ``full_modality_only`` (bool), ``hold_out`` (bool; by
    default everything but the stage ``pretrain`` holds out a validation and a test set).
    """

    has_time: bool
    """Whether the interactions have times; without, the order of the file is the order of events."""

    features: dict[str, ModalityFeatures]
    """Modality -> vectors of the items, in the model's order of modalities."""

    def _get_preset(self) -> None:
        super()._get_preset()
        self._model_class = getattr(self.config, "model_class", None)
        self.has_time = False
        self.features = {}

    def _load_data(self, token: str, dataset_path: str) -> None:
        folder, separator = Path(dataset_path), self._separators[0]
        if self._trims and self.benchmark_filename_list is not None:
            raise UserError("benchmark_filename: this model cuts its histories itself, from one .inter file")
        where = (self.config["modalities"], self._model_class, folder, token, separator)
        self._feature_files = choose_feature_files(*where)
        report_left_out(*where)
        super()._load_data(token, dataset_path)
        self._fingerprint = fingerprint(dataset_path, token)

    def _remap_ID_all(self) -> None:  # noqa: N802
        refuse_infinite(self)
        super()._remap_ID_all()
        keep_known_rows(self)

    def _normalize(self) -> None:
        """Keep the exact times before RecBole scales, buckets or rounds them to float32."""
        self.has_time = self.time_field is not None and self.time_field in self.inter_feat
        if self.has_time:
            self._clock = self.inter_feat[self.time_field].to_numpy(dtype=np.float64, copy=True)
        else:
            self._clock = np.arange(len(self.inter_feat), dtype=np.int64)
            self.logger.info(
                f"{self.dataset_name} has no times ({self.time_field}): "
                "events are in the order of the file, and the time branch is off."
            )
        super()._normalize()

    def _data_processing(self) -> None:
        super()._data_processing()
        for name, path in self._feature_files.items():
            tokens = self.field2id_token[self.iid_field]
            self.features[name] = load_features(name, path, tokens, self._separators)
            self.logger.info(str(self.features[name]))

    def _dataframe_to_interaction(self, data: pd.DataFrame) -> Interaction:
        if self._trims and data is self.inter_feat:
            data = data[[self.uid_field, self.iid_field]]
        return super()._dataframe_to_interaction(data)

    @property
    def _trims(self) -> bool:
        return bool(getattr(self._model_class, "trims_history", False))

    def data_augmentation(self) -> None:
        """Put windows over the flat interactions in the place of RecBole's copies of every prefix."""
        self._aug_presets()
        self._check_field("uid_field", "iid_field")
        flat = FlatInteractions(self.inter_feat.interaction, self._clock, self.uid_field)
        self.inter_feat = Windows.of_all_prefixes(flat, self._layout())
        if not len(self.inter_feat):
            raise UserError(f"{self.dataset_name}: no user has two interactions, nothing to predict")

    def _layout(self) -> Layout:
        return Layout(
            user=self.uid_field,
            item=self.iid_field,
            length=self.item_list_length_field,
            list_suffix=self.config["LIST_SUFFIX"],
            max_length=self.config["MAX_ITEM_LIST_LENGTH"],
            time=self.time_field,
            has_time=self.has_time,
            trims=self._trims,
        )

    def __getitem__(self, index: Any, join: bool = True) -> Interaction:
        if not isinstance(self.inter_feat, Windows):
            return super().__getitem__(index, join)
        batch = self.inter_feat[index].cut()
        return self.join(batch) if join and not self._trims else batch

    def target_counts(self) -> Tensor:
        """(N + 1,) int64: how often each item is the target of a sample of this part of the data."""
        return torch.bincount(self.inter_feat[self.iid_field], minlength=self.item_num)

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Items and users, (M,) int64 each, of the interactions that this part of the data shows."""
        items, users = self.inter_feat.events()
        return items, users

    def _holds_out(self) -> bool:
        chosen = self.config["hold_out"]
        return self.config["stage"] != "pretrain" if chosen is None else bool(chosen)

    def build(self) -> list[MultiModalDataset]:
        """Return the training, validation and test datasets; the last two are empty without ``hold_out``."""
        if self._holds_out() or self.benchmark_filename_list is not None:
            return super().build()
        self._change_feat_format()
        self.sort(by=self.time_field)
        parts = hold_out_last(self.inter_feat[self.uid_field].numpy(), 0)
        return self._parts(parts)

    def leave_one_out(self, group_by: str, leave_one_mode: str) -> list[MultiModalDataset]:
        """Hold out the last one or two interactions of each user, as RecBole does."""
        if leave_one_mode not in ("valid_and_test", "valid_only", "test_only") or group_by is None:
            return super().leave_one_out(group_by, leave_one_mode)
        return self._parts(leave_one_out(self.inter_feat[group_by].numpy(), leave_one_mode))

    def time_based_split(self, ratios: list[float], group_by: str) -> list[MultiModalDataset]:
        """Split at one moment for all users, as RecBole does, on exact times."""
        if not self.has_time or len(ratios) != 3:
            raise UserError(f"eval_args: a split by time (TS) needs {self.time_field} and three ratios")
        shares = [ratio / sum(ratios) for ratio in ratios]
        times = self.inter_feat.keys_of(self.time_field)
        return self._parts(time_split(self.inter_feat[group_by].numpy(), times, shares))

    def _parts(self, parts: Iterable[np.ndarray]) -> list[MultiModalDataset]:
        self._drop_unused_col()
        return [self.copy(self.inter_feat[rows]) for rows in parts]

    def __copy__(self) -> MultiModalDataset:
        """RecBole's ``copy``; only what was saved and comes back is compared with the files."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if fingerprint(self.dataset_path, self.dataset_name) != self._fingerprint:
            self.logger.warning(f"files of {self.dataset_name} changed: its saved dataset is not used")
            make_unusable(self.config)

"""RecBole's loading, filtering and numbering of interactions, at the speed of arrays.

:class:`AtomicDataset` gives what ``SequentialDataset`` gives: the same interactions in the same order, with
the same numbers for users and items. Only steps that loop over rows in Python are replaced; every option of
RecBole's config goes on working, on RecBole's own code where it is not one of the common ones.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recbole.data.dataset import SequentialDataset
from recbole.utils.enum_type import FeatureSource, FeatureType

from recbole_mmm4rec.data import validation
from recbole_mmm4rec.data.checked_files import CheckedFiles
from recbole_mmm4rec.data.core_filter import Side, codes_of, keep_core
from recbole_mmm4rec.data.reading import read_columns
from recbole_mmm4rec.data.real_counts import RealCounts
from recbole_mmm4rec.data.remap import is_coded, number_tokens
from recbole_mmm4rec.errors import UserError


class AtomicDataset(RealCounts, CheckedFiles, SequentialDataset):
    """A sequential dataset read from atomic files, with clear errors and without loops over rows."""

    inter_feat: Any
    user_feat: Any
    item_feat: Any

    def _download(self) -> None:
        raise UserError(f'dataset "{self.dataset_name}" is not on this machine; nothing is downloaded')

    def _load_data(self, token: str, dataset_path: str) -> None:
        folder = Path(dataset_path)
        validation.check_folder(folder, token)
        parts = self.benchmark_filename_list
        names = [token] if parts is None else [f"{token}.{part}" for part in parts]
        for path in [folder / f"{name}{validation.SUFFIX}" for name in names]:
            validation.check_file(path)
            self._check_header(path)
        super()._load_data(token, dataset_path)

    def _check_header(self, path: Path) -> None:
        types = self._types_of(path)
        ids = [field for field in (self.uid_field, self.iid_field) if field is not None]
        validation.check_columns(path, types, ids, self.time_field)
        load, unload = self._get_load_and_unload_col(FeatureSource.INTERACTION)
        for field in ids:
            if (load is not None and field not in load) or field in (unload or ()):
                raise UserError(f"{path}: column {field} is needed and left out by load_col or unload_col")

    def _get_load_and_unload_col(self, source: Any) -> tuple[set[str] | None, set[str] | None]:
        """Add the time field to what is loaded of the interactions, unless ``unload_col`` names it."""
        load, unload = super()._get_load_and_unload_col(source)
        if load and source == FeatureSource.INTERACTION and self.time_field is not None:
            load = load | {self.time_field}
        return load, unload

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame | None:
        if source != FeatureSource.INTERACTION:
            return super()._load_feat(filepath, source)
        path = Path(filepath)
        frame = self._load_fast(path)
        if frame is None:
            frame = self._load_by_recbole(path, source)
        else:
            self._check_frame(path, frame)
        if frame is None or frame.empty:
            raise UserError(f"{path}: no interaction after the header")
        return frame

    def _load_by_recbole(self, path: Path, source: Any) -> pd.DataFrame | None:
        types, separator = self._types_of(path), self.config["field_separator"]
        validation.check_widths(path, len(types), separator)
        try:
            return super()._load_feat(str(path), source)
        except UserError:
            raise
        except ValueError as problem:
            raise validation.explain_unreadable(path, types, separator, problem) from problem

    def _load_fast(self, path: Path) -> pd.DataFrame | None:
        """Read by Arrow and note the fields' properties as RecBole's reader does, or return None."""
        load, unload = self._get_load_and_unload_col(FeatureSource.INTERACTION)
        types = {
            field: kind
            for field, kind in self._types_of(path).items()
            if (load is None or field in load) and field not in (unload or ())
        }
        headers = {f"{field}:{kind.value}": kind for field, kind in types.items()}
        frame = read_columns(path, headers, self.config["field_separator"], self.config["encoding"])
        if frame is None:
            return None
        frame.columns = list(types)
        for field, kind in types.items():
            self.set_field_property(field, kind, FeatureSource.INTERACTION, 1)
            if kind == FeatureType.FLOAT:
                self.field2bucketnum[field] = 2
        return frame

    def _remove_duplication(self) -> None:
        """As RecBole, with a stable sort: equal times keep the order of the file."""
        if self.config["rm_dup_inter"] is not None and self.time_field in self.inter_feat:
            self.inter_feat = self.inter_feat.sort_values(by=self.time_field, kind="stable")
            keep = self.config["rm_dup_inter"]
            self.inter_feat = self.inter_feat.drop_duplicates([self.uid_field, self.iid_field], keep=keep)
            return
        super()._remove_duplication()

    def _filter_inter_by_user_or_item(self) -> None:
        if self.user_feat is not None or self.item_feat is not None:
            super()._filter_inter_by_user_or_item()

    def _filter_by_inter_num(self) -> None:
        """RecBole's filter by ``user_inter_num_interval`` and ``item_inter_num_interval``, vectorised."""
        if self.uid_field is None or self.iid_field is None:
            return
        user_ids, users = self._side(self.uid_field, self.user_feat, "user_inter_num_interval")
        item_ids, items = self._side(self.iid_field, self.item_feat, "item_inter_num_interval")
        if users.allowed is None and items.allowed is None:
            return
        kept, gone_users, gone_items = keep_core(users, items)
        if not kept.all():
            self.inter_feat = self.inter_feat[kept]
        self.user_feat = _without(self.user_feat, self.uid_field, user_ids[gone_users])
        self.item_feat = _without(self.item_feat, self.iid_field, item_ids[gone_items])

    def _side(self, field: str, feat: pd.DataFrame | None, key: str) -> tuple[pd.Index, Side]:
        """Codes and limits of users or items, those without interactions in the feature file included."""
        codes, ids = codes_of(self.inter_feat[field])
        listed = np.zeros(len(ids), dtype=bool)
        if feat is not None:
            more = pd.Index(feat[field])
            ids = ids.append(more[~more.isin(ids)])
            listed = np.asarray(ids.isin(more))
        intervals = self._parse_intervals_str(self.config[key])
        if not intervals:
            return ids, Side(codes, listed, None, -1)
        allowed = partial(self._within_intervals, intervals=intervals)
        return ids, Side(codes, listed, allowed, intervals[0][1])

    def _reset_index(self) -> None:
        if self.inter_feat.empty:
            raise UserError(
                f"{self.dataset_name}: no interaction is left by the filters; "
                "see user_inter_num_interval, item_inter_num_interval, val_interval, full_modality_only"
            )
        super()._reset_index()

    def _remap(self, remap_list: list[tuple[pd.DataFrame, str, FeatureType]]) -> None:
        """Number tokens as RecBole does; on codes where the reader gave codes."""
        columns = [feat[field] for feat, field, _ in remap_list]
        coded = [is_coded(column) for column in columns]
        if not any(coded) or not coded[0] or any(kind != FeatureType.TOKEN for _, _, kind in remap_list):
            for feat, field, _ in (entry for entry, code in zip(remap_list, coded, strict=True) if code):
                feat[field] = feat[field].astype(object)
            super()._remap(remap_list)
            return
        numbers, tokens = number_tokens(columns)
        token_id = dict(zip(tokens.tolist(), range(len(tokens)), strict=True))
        for (feat, field, _), ids in zip(remap_list, numbers, strict=True):
            if field not in self.field2id_token:
                self.field2id_token[field], self.field2token_id[field] = tokens, token_id
            feat[field] = ids


def _without(feat: pd.DataFrame | None, field: str, gone: pd.Index) -> pd.DataFrame | None:
    return feat if feat is None or not len(gone) else feat[~feat[field].isin(gone)].copy()

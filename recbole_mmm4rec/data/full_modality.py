"""``full_modality_only``: only items that have a vector in every feature file that counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_mmm4rec.data.features import tokens_with_features
from recbole_mmm4rec.data.modalities import choose_feature_files, feature_files, usable_modalities
from recbole_mmm4rec.errors import UserError


class FullModality:
    """Mixin for RecBole's datasets: items that lack a modality are dropped before anything is counted.

    The same for every model, so that results of models with and without features can be compared.
    """

    config: Any
    logger: Any
    dataset_path: Any
    dataset_name: Any
    inter_feat: Any
    item_feat: Any
    iid_field: Any

    @property
    def _separators(self) -> tuple[str, str]:
        return self.config["field_separator"], self.config["seq_separator"]

    def _filter_by_inter_num(self) -> None:
        if self.config["full_modality_only"]:
            self._keep_full_modality_items()
        super()._filter_by_inter_num()  # type: ignore[misc]

    def _keep_full_modality_items(self) -> None:
        """Drop items that lack a feature file's vector, and say by which files and how many."""
        files, field = self._files_to_go_by(), self.iid_field
        items = self.inter_feat[field].nunique()
        for path in files.values():
            tokens = tokens_with_features(path, self._separators)
            self.inter_feat = self.inter_feat[self.inter_feat[field].isin(tokens)]
            if self.item_feat is not None:
                self.item_feat = self.item_feat[self.item_feat[field].isin(tokens)].copy()
        left = self.inter_feat[field].nunique()
        self.logger.info(f"full_modality_only: {left:,} of {items:,} items have {' and '.join(files)}")

    def _files_to_go_by(self) -> dict[str, Path]:
        """Those that ``full_modality_only`` names, else the model's; of a model without, all there are."""
        named, folder = self.config["full_modality_only"], Path(self.dataset_path)
        model, separator = getattr(self.config, "model_class", None), self._separators[0]
        if named is True and usable_modalities(model):
            files = choose_feature_files(
                self.config["modalities"], model, folder, self.dataset_name, separator
            )
        else:
            files = feature_files(folder, self.dataset_name, separator)
        chosen = list(files) if named is True else [named] if isinstance(named, str) else list(named)
        lacking = [name for name in chosen if name not in files]
        if lacking or not files:
            wanted = f"no {lacking[0]} file" if lacking else "no feature file"
            raise UserError(f"full_modality_only: {self.dataset_path} has {wanted} to go by")
        return {name: files[name] for name in chosen}

"""What every dataset of a run does with the frames it reads, whichever class of RecBole's it extends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recbole.utils.enum_type import FeatureSource, FeatureType

from recbole_mmm4rec.data import validation
from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.data.reading import restore_tokens


class CheckedFiles:
    """Mixin for RecBole's datasets: tokens as they are in the file, ids and times that are possible."""

    config: Any
    logger: Any
    uid_field: Any
    iid_field: Any
    time_field: Any
    field2type: Any

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame | None:
        frame = super()._load_feat(filepath, source)  # type: ignore[misc]
        if frame is not None and source in tuple(FeatureSource):
            self._restore_tokens(Path(filepath), frame)
            self._check_frame(Path(filepath), frame)
        return frame

    def _check_frame(self, path: Path, frame: pd.DataFrame) -> None:
        """Refuse RecBole's own token for a user or item, and impossible times of interactions."""
        for field in (self.uid_field, self.iid_field):
            if field in frame:
                validation.check_pad(path, pd.Series(frame[field]), self._locator(path, field))
        if self.time_field in frame and path.suffix == validation.SUFFIX:
            locate = self._locator(path, self.time_field)
            validation.check_times(path, pd.Series(frame[self.time_field]), locate)

    def _types_of(self, path: Path) -> dict[str, FeatureType]:
        return validation.read_header(path, self.config["field_separator"], self.config["encoding"])

    def _restore_tokens(self, path: Path, frame: pd.DataFrame) -> None:
        fields = [str(name) for name in frame if self.field2type[name] == FeatureType.TOKEN]
        restore_tokens(frame, path, fields, self.config["field_separator"], self.config["encoding"])

    def _locator(self, path: Path, field: str) -> Callable[[Callable[[str], bool]], Offenders]:
        """Return what finds the lines of a file whose ``field`` passes a test."""

        def locate(wrong: Callable[[str], bool]) -> Offenders:
            place = list(self._types_of(path)).index(field)
            return validation.offending_lines(path, place, self.config["field_separator"], wrong)

        return locate

    def _filter_nan_user_or_item(self) -> None:
        """Drop rows without a user or item; RecBole drops other rows when both occur in one file."""
        for name, fields in (
            ("inter_feat", (self.uid_field, self.iid_field)),
            ("user_feat", (self.uid_field,)),
            ("item_feat", (self.iid_field,)),
        ):
            feat = getattr(self, name)
            wanted = [field for field in fields if feat is not None and field in feat]
            if not wanted:
                continue
            missing = feat[wanted].isna().any(axis=1).to_numpy()
            if missing.any():
                lines = Offenders()
                lines.add(np.flatnonzero(missing) + 2)
                self.logger.warning(f"In {name}, {wanted} missing in line {lines}: left out.")
                setattr(self, name, feat[~missing].copy())

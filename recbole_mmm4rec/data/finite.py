"""Numbers of interactions that are numbers: an infinite one would decide labels and scales without a word."""

from __future__ import annotations

from typing import Any

import numpy as np
from recbole.utils.enum_type import FeatureType

from recbole_mmm4rec.data.offenders import Offenders
from recbole_mmm4rec.errors import UserError


def refuse_infinite(dataset: Any) -> None:
    """Refuse infinite values in the float columns of a dataset that RecBole has just read.

    Missing ones (NaN) stay: RecBole fills them.

    Raises:
        UserError: naming the column and the first rows of the loaded table, from 1.
    """
    for name in ("inter", "user", "item"):
        frame: Any = getattr(dataset, f"{name}_feat", None)
        for field in () if frame is None else frame.columns:
            if dataset.field2type[field] == FeatureType.FLOAT:
                rows = np.flatnonzero(np.isinf(frame[field].to_numpy(dtype=np.float64)))
                if len(rows):
                    offenders = Offenders()
                    offenders.add(rows + 1)
                    raise UserError(
                        f"{dataset.dataset_name}.{name}: column {field} is infinite in row {offenders}"
                    )

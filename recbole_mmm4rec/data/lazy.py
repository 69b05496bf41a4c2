"""A history column of windows that is cut only where it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from recbole_mmm4rec.data.windows import Windows


class LazyHistories:
    """What ``dataset.inter_feat["item_id_list"]`` returns: rows on demand, (samples, width) in all.

    FEARec reads single rows of it in every step. Any tensor attribute (``shape``, ``numpy()``) cuts
    the whole.
    """

    def __init__(self, windows: Windows, name: str) -> None:
        self._windows = windows
        self._name = name

    def __len__(self) -> int:
        return self._windows.length

    def __getitem__(self, index: Any) -> Tensor:
        single = np.ndim(index) == 0 and not isinstance(index, (slice, range))
        rows = self._windows[index].interaction[self._name]
        return rows[0] if single else rows

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._windows.interaction[self._name], attribute)

"""A history column of windows that is cut only where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor


class Cuttable(Protocol):
    """Samples of which some can be taken, and whose columns are cut when they are read."""

    @property
    def length(self) -> int:
        """Number of samples."""

    @property
    def interaction(self) -> Mapping[str, Tensor]:
        """Columns by name."""

    def __getitem__(self, index: Any) -> Any:
        """The samples ``index`` selects, of the same kind."""


class LazyHistories:
    """What ``dataset.inter_feat["item_id_list"]`` returns: rows on demand, (samples, width) in all.

    FEARec reads single rows of it in every step. Any tensor attribute (``shape``, ``numpy()``) cuts
    the whole.
    """

    def __init__(self, windows: Cuttable, name: str) -> None:
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

"""What a dataset says of itself: numbers of users and items without the pad, which RecBole counts as one."""

from __future__ import annotations

import re
from typing import Any

_COUNT = re.compile(r"(The number of (?:users|items)\S*: )(\d+)")
_SPARSITY = re.compile(r"(The sparsity of the dataset\S*: )([\d.e-]+)%")


class RealCounts:
    """Mixin for RecBole's datasets: their text with the numbers of real users and items."""

    user_num: Any
    item_num: Any
    inter_num: Any

    def __str__(self) -> str:
        text = _COUNT.sub(lambda found: f"{found[1]}{int(found[2]) - 1}", super().__str__())
        pairs = (self.user_num - 1) * (self.item_num - 1) if "sparsity" in text else 0
        if not pairs:
            return text
        return _SPARSITY.sub(lambda found: f"{found[1]}{100 * (1 - self.inter_num / pairs):.4f}%", text)

"""Categories of items from the dataset's ``.item`` file."""

from typing import Any

import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError


def item_categories(dataset: Any, field: str | None) -> Tensor | None:
    """Which item has which category.

    Args:
        dataset: RecBole's, its ``item_feat`` has one row an item, the pad first.
        field: column of type token or token_seq; None: no categories.

    Returns:
        (N + 1, C) bool, or None without ``field``.

    Raises:
        UserError: the column is not loaded, or holds numbers.
    """
    if field is None:
        return None
    loaded = getattr(dataset, "item_feat", None)
    if loaded is None or field not in loaded:
        raise UserError(
            f"category_field: {field} is no loaded column of the .item file; add it to load_col: "
            f"{{item: [item_id, {field}]}}"
        )
    values = loaded[field]
    if values.is_floating_point():
        raise UserError(f"category_field: {field} holds numbers; a token or token_seq column is needed")
    matrix = torch.zeros(len(values), dataset.num(field), dtype=torch.bool)
    return matrix.scatter_(1, values.reshape(len(values), -1), True)[:, 1:]

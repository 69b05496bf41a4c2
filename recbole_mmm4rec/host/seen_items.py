"""Whether items that a user has seen are ranked: one rule for all models, the key ``rank_seen``.

RecBole leaves seen items out for models of single interactions (BPR, Pop, ...) and ranks them for sequential
models, so that two models of one table have different candidates. Its full-ranking loader hands the items to
leave out to the trainer; here it hands over those that ``rank_seen`` asks for. Where a configuration has no
such key, in runs that RecBole starts on models of its own, nothing changes.
"""

from collections.abc import Mapping
from functools import wraps
from typing import Any

import numpy as np
import torch
from recbole.utils import ModelType
from torch import Tensor

from recbole_mmm4rec.data.windows import Windows
from recbole_mmm4rec.errors import UserError

KEY = "rank_seen"

Pairs = tuple[Tensor, Tensor]


def patch_full_ranking(module: Any) -> None:
    """Let ``FullSortEvalDataLoader`` of ``recbole.data.dataloader.general_dataloader`` follow ``rank_seen``.

    Its ``collate_fn`` adds the items to leave out to a batch, as pairs of row and item number: for models of
    single interactions what the user chose in the earlier phases, for sequential models None.
    """
    loader = module.FullSortEvalDataLoader
    construct, collate = loader.__init__, loader.collate_fn

    @wraps(construct)
    def checked(self: Any, config: Any, dataset: Any, *args: Any, **kwargs: Any) -> None:
        if config[KEY] is False:
            check_histories(config, dataset)
        construct(self, config, dataset, *args, **kwargs)

    @wraps(collate)
    def with_seen_items(self: Any, index: Any) -> tuple[Any, Pairs | None, Tensor, Tensor]:
        batch, seen, rows, targets = collate(self, index)
        if self.config[KEY] is True:
            seen = None
        elif self.config[KEY] is False and self.is_sequential:
            seen = seen_before(self._dataset.inter_feat, self._dataset, np.asarray(index))
        return batch, seen, rows, targets

    loader.__init__, loader.collate_fn = checked, with_seen_items


def check_histories(config: Any, dataset: Any) -> None:
    """Refuse to leave seen items out where it is not known which they are.

    Raises:
        UserError: RecBole's own dataset of a sequential model has cut histories short.
    """
    rows = dataset.inter_feat
    if config["MODEL_TYPE"] != ModelType.SEQUENTIAL or isinstance(rows, Windows) or not len(rows):
        return
    longest, limit = int(rows[dataset.item_list_length_field].max()), config["MAX_ITEM_LIST_LENGTH"]
    if longest >= limit:
        raise UserError(
            f"{KEY}: {config['model']} has a dataset of its own that keeps {limit} items of a history, so "
            "what was seen before is not known; set MAX_ITEM_LIST_LENGTH above the longest history"
        )


def seen_before(rows: Any, dataset: Any, index: np.ndarray) -> Pairs:
    """What the users of some evaluation rows have seen before the target, however much a model reads of it.

    Args:
        rows: interactions of a sequential dataset with their histories, windows or RecBole's own copies.
        dataset: names the fields.
        index: (B,) numbers of rows.

    Returns:
        Places in ``index``, ascending, and item numbers, both int64; without the rows' targets, which stay
        candidates when they were seen before.
    """
    part = rows[index]
    targets = part[dataset.iid_field]
    if isinstance(part, Windows):
        row, items = _all_before(part)
    else:
        histories = part[dataset.iid_field + dataset.config["LIST_SUFFIX"]]
        row, place = torch.nonzero(histories, as_tuple=True)
        items = histories[row, place]
    kept = items != targets[row]
    return row[kept], items[kept]


def _all_before(part: Windows) -> Pairs:
    """Every interaction of the same user before each window's target."""
    flat = part.flat
    users, end = flat.users.numpy()[:-1], part.target.astype(np.int64)
    first = np.searchsorted(users, users[end])
    length = end - first
    row = np.repeat(np.arange(len(end)), length)
    place = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    items = flat.columns[part.layout.item]
    return torch.from_numpy(row), items[torch.from_numpy(np.repeat(first, length) + place)]


def ranking_rule(settings: Mapping[str, Any]) -> str:
    """What a run's test result ranks, in words.

    Args:
        settings: a run's configuration; one from before the key existed has RecBole's rule.
    """
    mode, ranks_seen = settings["eval_args"].get("mode", "full"), settings.get(KEY)
    mode = mode.get("test", "full") if isinstance(mode, Mapping) else str(mode)
    if mode == "labeled":
        return "no ranking: the labelled interactions are scored"
    if mode != "full":
        return f"sampled candidates ({mode}), as RecBole samples them"
    if ranks_seen is None:
        return "all items; seen ones are left out for models of single interactions only"
    rule = "seen ones included" if ranks_seen else "those seen before left out, but not the target"
    return f"all items, {rule} ({KEY}: {bool(ranks_seen)}); equal scores are in no order"

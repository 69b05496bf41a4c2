"""Whether items that a user has seen are ranked: one rule for all models, the key ``rank_seen``.

RecBole leaves seen items out for models of single interactions (BPR, Pop, ...) and ranks them for sequential
models, so that two models of one table have different candidates. Its full-ranking loader hands the items to
leave out to the trainer; here a subclass hands over those that ``rank_seen`` asks for.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.utils import ModelType
from torch import Tensor

from recbole_mmm4rec.data.windows import Windows
from recbole_mmm4rec.errors import UserError

KEY = "rank_seen"

Pairs = tuple[Tensor, Tensor]


class RankingLoader(FullSortEvalDataLoader):
    """RecBole's full-ranking loader with the items that ``rank_seen`` leaves out.

    RecBole's adds to a batch pairs of row and item number (general_dataloader.py, line 243): for models of
    single interactions what the user chose in the earlier phases, for sequential models None.
    """

    def collate_fn(self, index: Any) -> tuple[Any, Pairs | None, Tensor, Tensor]:
        """A batch, the pairs to leave out, and the targets as rows and item numbers."""
        batch, seen, rows, targets = super().collate_fn(index)
        if self.config[KEY] is True:
            seen = None
        elif self.config[KEY] is False and self.is_sequential:
            seen = seen_before(self._dataset.inter_feat, self._dataset, np.asarray(index))
        return batch, seen, rows, targets


def follow_rank_seen(loader: Any) -> None:
    """Let an evaluation loader follow the key, where it ranks all items.

    RecBole chooses the class in the middle of ``data_preparation``, so the loader changes it afterwards.

    Raises:
        UserError: the key asks for what the dataset does not know.
    """
    if type(loader) is FullSortEvalDataLoader:
        if loader.config[KEY] is False:
            check_histories(loader.config, loader._dataset)
        loader.__class__ = RankingLoader
        loader.collate_fn = RankingLoader.collate_fn.__get__(
            loader
        )  # torch keeps the method that it was given


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
            f"{KEY}: {config['model']} has its own dataset class that keeps {limit} items of a history, so "
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

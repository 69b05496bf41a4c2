"""A dataset that is read, filtered and split once for all trials of a search."""

import copy
from typing import Any

from recbole.utils import init_seed
from recbole.utils.argument_list import dataset_arguments

from recbole_mmm4rec.data.cache import COMPARED_KEYS
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.quick_start.run_key import short_hash
from recbole_mmm4rec.quick_start.whole_run import check_topk
from recbole_mmm4rec.training.plain import json_able

PLACE = "data_path"
"""One for all trials of a search, but another on every node of a cluster."""

SPLITTING = ("dataset", "seed", "eval_args", "repeatable")


class SharedData:
    """Loaders of training and validation, of a dataset that is built again only when one of its keys differs.

    It can be pickled, and so be put into Ray's object store once.
    """

    def __init__(self) -> None:
        self.built: dict[str, tuple[Any, list[Any]]] = {}

    def loaders(self, config: Any) -> tuple[Any, Any]:
        """Training and validation loader of a trial; it never gets a test loader.

        Args:
            config: the trial's configuration.
        """
        dataset, parts = self._parts(config)
        check_topk(config, dataset)
        own = copy.copy(dataset)
        # each trial has its own view of the parts, as models and samplers note things in them
        own.build = lambda: [_view(part, config) for part in parts]
        own.config = config
        train_data, valid_data, _ = prepare_loaders(config, own)
        return train_data, valid_data

    def _parts(self, config: Any) -> tuple[Any, list[Any]]:
        keys = dict.fromkeys([*SPLITTING, *dataset_arguments, *COMPARED_KEYS])
        key = short_hash({name: json_able(config[name]) for name in keys if name != PLACE})
        if key not in self.built:
            init_seed(config["seed"], config["reproducibility"])
            dataset = create_dataset(config)
            self.built[key] = dataset, dataset.build()
        return self.built[key]


def _view(part: Any, config: Any) -> Any:
    view = part.copy(part.inter_feat)
    view.config = config
    return view

"""What RecBole 1.2.1 needs on today's PyTorch. Each patch is small and says why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from recbole.utils import set_color
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from recbole_mmm4rec.training.checkpoint import write_checkpoint
from recbole_mmm4rec.training.plain import pack, plain_config, unpack


def patch_trainers(module: Any) -> None:
    """Patch ``recbole.trainer.trainer``: plain checkpoints, and parallel models on the CPU.

    RecBole pickles its ``Config`` into checkpoints, by a pickle protocol that ``torch.load`` refuses since
    PyTorch 2.6.
    """
    module.Trainer._save_checkpoint = save_checkpoint
    tree, pretrain = module.DecisionTreeTrainer, module.PretrainTrainer
    tree._save_checkpoint = with_plain_config(tree._save_checkpoint)
    pretrain.save_pretrained_model = with_plain_config(pretrain.save_pretrained_model)
    module.DistributedDataParallel = parallel_model


def save_checkpoint(self: Any, epoch: int, verbose: bool = True, saved_model_file: str | None = None) -> None:
    """RecBole's ``Trainer._save_checkpoint`` with plain content, for ``torch.load(weights_only=True)``."""
    if not self.config["single_spec"] and self.config["local_rank"] != 0:
        return
    path = saved_model_file or self.saved_model_file
    content = {
        "config": plain_config(self.config.final_config_dict),
        "epoch": epoch,
        "cur_step": self.cur_step,
        "best_valid_score": float(self.best_valid_score),
        "state_dict": self.model.state_dict(),
        "other_parameter": self.model.other_parameter(),
        "optimizer": self.optimizer.state_dict(),
    }
    write_checkpoint(path, content)
    if verbose:
        self.logger.info(set_color("Saving current", "blue") + f": {path}")


def undo_anomaly_mode() -> None:
    """Importing RecBole's SINE makes PyTorch check every gradient of the process, at twice the time."""
    torch.autograd.set_detect_anomaly(False)


def with_plain_config(save: Callable[..., None]) -> Callable[..., None]:
    """A trainer's method that sees plain settings and a plain best score while it saves."""

    @wraps(save)
    def save_plain(self: Any, *args: Any, **kwargs: Any) -> None:
        with _plain_attributes(self):
            save(self, *args, **kwargs)

    return save_plain


@contextmanager
def _plain_attributes(trainer: Any) -> Iterator[None]:
    config, score = trainer.config, trainer.best_valid_score
    trainer.config = plain_config(config.final_config_dict)
    trainer.best_valid_score = float(score)
    try:
        yield
    finally:
        trainer.config, trainer.best_valid_score = config, score


def patch_recommender(module: Any) -> None:
    """Patch ``recbole.model.abstract_recommender``: plain "other parameters" of a checkpoint.

    Some models keep numpy or scipy arrays, or whole submodules there.
    """
    recommender = module.AbstractRecommender
    collect, restore = recommender.other_parameter, recommender.load_other_parameter

    @wraps(collect)
    def other_parameter(self: Any) -> dict[str, Any]:
        # a submodule's weights are in the state_dict already
        return {key: pack(value) for key, value in collect(self).items() if not isinstance(value, nn.Module)}

    @wraps(restore)
    def load_other_parameter(self: Any, packed: dict[str, Any] | None) -> None:
        restore(self, unpack(packed or {}))

    recommender.other_parameter = other_parameter
    recommender.load_other_parameter = load_other_parameter


def parallel_model(module: nn.Module, device_ids: list[int] | None = None) -> nn.Module:
    """``DistributedDataParallel`` that also takes a model on the CPU, where device ids are an error."""
    on_cpu = all(parameter.device == torch.device("cpu") for parameter in module.parameters())
    return DistributedDataParallel(module, device_ids=None if on_cpu else device_ids)

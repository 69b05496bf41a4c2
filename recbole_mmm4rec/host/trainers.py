"""RecBole's trainers with plain checkpoints and processes on a CPU.

RecBole pickles its ``Config`` into checkpoints, which ``torch.load`` refuses since PyTorch 2.6. A trainer of
RecBole's is used through :func:`plain_trainer`, a subclass; nothing in RecBole is replaced.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from recbole.trainer import trainer as recbole_trainers
from recbole.utils import set_color
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.own_files import OwnFiles
from recbole_mmm4rec.schema import checked
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.checkpoint import load_plain, write_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import Parts
from recbole_mmm4rec.training.gathering import RankedEvaluation
from recbole_mmm4rec.training.plain import pack, portable_config, unpack
from recbole_mmm4rec.training.row_tokens import check_files
from recbole_mmm4rec.training.training_state import check_scores, given_anew, load_optimizer


class SharedRun(OwnFiles):
    """Mixin for RecBole's trainers: several processes, on CPUs or GPUs.

    RecBole gives every process a GPU (trainer.py, line 62) and sends all that a model holds to every process,
    frozen features too.
    """

    def __init__(self, config: Any, model: Any) -> None:
        shared = not config["single_spec"]
        with _single(config) if shared else nullcontext():
            super().__init__(config, model)
        if shared:
            own = model.state_dict().keys()
            kept = {name for name, _ in model.named_buffers() if name not in own}
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self.model, kept)
            gpu = None if _is_on_cpu(model) else [config["local_rank"]]
            self.distributed_model = DistributedDataParallel(self.model, device_ids=gpu)

    def _train_epoch(self, *args: Any, **options: Any) -> Any:
        """An epoch as RecBole's; only its steps are subject to the limit of a process that hangs."""
        distributed.barrier()
        return super()._train_epoch(*args, **options)  # type: ignore[misc]

    def _check_nan(self, loss: torch.Tensor) -> None:
        """RecBole's check (trainer.py, line 344), with one line for the user."""
        if torch.isnan(loss):
            raise UserError("training loss is nan; the learning rate may be too large")


def _is_on_cpu(model: nn.Module) -> bool:
    return all(parameter.device == torch.device("cpu") for parameter in model.parameters())


@contextmanager
def _single(config: Any) -> Iterator[None]:
    config["single_spec"] = True
    try:
        yield
    finally:
        config["single_spec"] = False


class RowTokens:
    """Mixin for RecBole's trainers: their checkpoints say which tokens the rows of the tables belong to.

    RecBole's do not (its issues 899 and 1886), and no trainer of its knows the dataset before it trains.
    """

    row_tokens: dict[str, Any] = {}
    """What :func:`recbole_mmm4rec.training.row_tokens.row_tokens` says; who builds a trainer sets it."""

    data_files: Mapping[str, str] = {}
    """Hash of each file of the dataset, by its name; who builds a trainer sets it."""

    attempts: Sequence[str] = ()
    """Who may go on with the run by itself, see :mod:`recbole_mmm4rec.quick_start.attempts`."""


class PlainCheckpoints(RowTokens, SharedRun):
    """Mixin for RecBole's trainers of networks: checkpoints that ``torch.load(weights_only=True)`` reads."""

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        path = kwargs.pop("saved_model_file", self.saved_model_file)
        trainer: Any = self
        if epoch < 0 and Path(path).is_file():
            return  # a run that is over was resumed: its best epoch is there (trainer.py, line 428)
        self._write(
            path,
            epoch=epoch,
            cur_step=trainer.cur_step,
            best_valid_score=float(trainer.best_valid_score),
        )
        if verbose and distributed.rank() == 0:
            trainer.logger.info(set_color("Saving current", "blue") + f": {path}")

    def save_pretrained_model(self, epoch: int, saved_model_file: str) -> None:
        """Store what RecBole's pre-training trainers store, as plain content."""
        self._write(saved_model_file, epoch=epoch)
        self.saved_model_file = saved_model_file

    def _write(self, path: str, **progress: Any) -> None:
        if distributed.rank() != 0:
            return
        trainer: Any = self
        content = {
            "config": portable_config(self.config.final_config_dict),
            "state_dict": self.model.state_dict(),
            "other_parameter": plain_other_parameter(self.model),
            "optimizer": trainer.optimizer.state_dict(),
        }
        run = {"attempts": [*self.attempts], "data_files": dict(self.data_files)}
        write_checkpoint(path, content | self.row_tokens | progress | run)

    def resume_checkpoint(self, resume_file: str) -> None:
        """Continue as RecBole does (trainer.py, line 314), from a plain checkpoint."""
        with brought(resume_file) as here, _restored_other_parameter(self.model):
            content = load_plain(Path(here))
            parts = checked(Parts, f"{resume_file}: damaged checkpoint", content)
            settings = portable_config(content.get("config") or {})
            check_scores(resume_file, settings, portable_config(self.config.final_config_dict))
            check_files(resume_file, parts.data_files, self.data_files)
            trainer: Any = self
            with given_anew(trainer.optimizer):
                load_optimizer(resume_file, trainer.optimizer, parts.optimizer or {})
                super().resume_checkpoint(here)  # type: ignore[misc]
        self.saved_model_file = resume_file

    def evaluate(
        self,
        eval_data: Any,
        load_best_model: bool = True,
        model_file: str | None = None,
        show_progress: bool = False,
    ) -> Any:
        """Evaluate as RecBole does (trainer.py, line 562), with the best model from a plain checkpoint."""
        path = (model_file or self.saved_model_file) if eval_data and load_best_model else ""
        with _restored_other_parameter(self.model), brought(path) as here:
            return super().evaluate(  # type: ignore[misc]
                eval_data, load_best_model, here or model_file, show_progress
            )


class PlainTreeCheckpoints(RowTokens, SharedRun):
    """Mixin for RecBole's trainers of decision trees, whose models save themselves."""

    def _save_checkpoint(self, epoch: int) -> None:
        trainer: Any = self
        config, score = trainer.config, trainer.best_valid_score
        trainer.config, trainer.best_valid_score = portable_config(config.final_config_dict), float(score)
        try:
            super()._save_checkpoint(epoch)  # type: ignore[misc]
        finally:
            trainer.config, trainer.best_valid_score = config, score
        content = torch.load(self.saved_model_file, map_location="cpu", weights_only=True)
        write_checkpoint(self.saved_model_file, content | self.row_tokens)


@lru_cache(maxsize=32)
def plain_trainer(kind: type) -> type:
    """A trainer class of RecBole with plain checkpoints and our evaluation; one of ours as it is."""
    if issubclass(kind, OwnFiles):
        return kind
    is_tree = issubclass(kind, recbole_trainers.DecisionTreeTrainer)
    mixin = PlainTreeCheckpoints if is_tree else PlainCheckpoints
    return type(kind.__name__, (RankedEvaluation, mixin, kind), {"__module__": __name__})


def plain_other_parameter(model: Any) -> dict[str, Any]:
    """What a model of RecBole keeps beside its state (abstract_recommender.py, line 88), as plain content.

    Some keep numpy or scipy arrays there, or whole submodules, whose weights are in the state already.
    """
    kept = model.other_parameter()
    return {key: pack(value) for key, value in kept.items() if not isinstance(value, nn.Module)}


def load_other_parameter(model: Any, packed: dict[str, Any] | None) -> None:
    """The inverse of :func:`plain_other_parameter`."""
    model.load_other_parameter(unpack(packed or {}))


@contextmanager
def _restored_other_parameter(model: Any) -> Iterator[None]:
    """Within it the model unpacks what a plain checkpoint holds."""
    restore = model.load_other_parameter
    model.load_other_parameter = lambda packed: restore(unpack(packed or {}))
    try:
        yield
    finally:
        del model.load_other_parameter

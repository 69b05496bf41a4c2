"""The checkpoints of a run, and going on after a kill as if nothing had happened.

Two files per run: ``<Model>-<time>-<process>.pth``, the best model so far, and ``.last.pth``, the
rolling training state, rewritten at every epoch boundary. Both have the same content (:mod:`.checkpoint`);
the first has also what a recommender needs of the items (:mod:`.item_contents`). A run that is killed in the
middle of an epoch goes on from the boundary before it. Of several processes the first writes and reads them.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from recbole.trainer import Trainer
from recbole.utils import set_color

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.errors import ResumeError, UserError
from recbole_mmm4rec.host.own_files import OwnFiles
from recbole_mmm4rec.model.remembered import AUTO
from recbole_mmm4rec.schema import checked
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.checkpoint import (
    Checkpoint,
    describe,
    read_checkpoint,
    write_checkpoint,
)
from recbole_mmm4rec.training.checkpoint_parts import load_weights, using
from recbole_mmm4rec.training.item_contents import pack_items
from recbole_mmm4rec.training.plain import portable_config
from recbole_mmm4rec.training.random_state import capture_random_state, restore_random_state
from recbole_mmm4rec.training.rate_schedule import COSINE
from recbole_mmm4rec.training.row_tokens import UNCHANGED, check_files, check_rows, known_tokens, row_tokens
from recbole_mmm4rec.training.run_record import RunRecord
from recbole_mmm4rec.training.training_state import TrainingState, check_scores, given_anew, load_optimizer
from recbole_mmm4rec.training.weight_average import WeightAverage

# keys that may differ between a run and its continuation without changing a number
_FREE_KEYS = {"resume", "epochs", "checkpoint_dir", "show_progress", "state", "gpu_id", "device"} | {
    "eval_chunk_size",
    "state_every",
    "save_features",
    "port",
}


class ResumableTrainer(OwnFiles, Trainer, distributed.UnwrappedTrainer):
    """RecBole's trainer with checkpoints of plain tensors and an exact resume.

    Attributes:
        record: :class:`RunRecord`, numbers of the run so far, those before a resume included.
        attempts: who may go on with the run, see :mod:`recbole_mmm4rec.quick_start.attempts`.
        data_files: hash of each file of the dataset, by its name; whoever knows them says so.
        saved_model_file: the best model's checkpoint.
    """

    def __init__(self, config: Any, model: Any) -> None:
        super().__init__(config, model)
        self.record = RunRecord()
        self._validates = self._saves = False
        self._loader: Any = None
        self._description: dict[str, Any] = {}
        self._resumed: Checkpoint | None = None
        self.attempts: Sequence[str] = ()
        self.data_files: Mapping[str, str] = {}
        self._random: list[dict[str, Any]] = []
        decay = float(config["ema_decay"] or 0.0)
        self.average = WeightAverage(model, decay) if decay else None

    def _averaged(self) -> AbstractContextManager[None]:
        """Within it the model has the weights that are validated and kept."""
        return nullcontext() if self.average is None else self.average.applied()

    @property
    def last_file(self) -> str:
        """Path of the rolling training state, beside the best model's checkpoint."""
        return _state_file(self.saved_model_file)

    def _begin_run(self, train_data: Any, validates: bool, saves: bool) -> None:
        """Note what every checkpoint of the run will say. Refuses a resumed run on other items."""
        self._loader, self._validates, self._saves = train_data, validates, saves
        dataset = getattr(train_data, "dataset", None)
        tokens = row_tokens(dataset, self.model)
        self._description = describe(self.config, self.model, tokens["item_tokens"], tokens["other_tokens"])
        if self._resumed is not None:
            known = known_tokens(vars(self._resumed), self.config["ITEM_ID_FIELD"])
            check_rows(self._resumed.path, known, dataset, UNCHANGED, ResumeError)

    def _is_finished(self) -> bool:
        """Whether a resumed run has nothing left to train."""
        stopped = self._validates and self.cur_step > self.stopping_step
        return self._resumed is not None and (self.start_epoch >= self.epochs or stopped)

    def _save_if_nowhere(self) -> None:
        """The model's file of a run that ends here because it was given fewer epochs when it went on."""
        lacks = self._saves and not self._validates and not os.path.exists(self.saved_model_file)
        if distributed.broadcast_object(lacks):
            self._write(self.saved_model_file)

    def _pass_boundary(self, epoch: int) -> None:
        """Between two epochs: here the state is saved, and here a resumed run takes up its random numbers."""
        if self._resumed is not None:
            self._restore_random(self._resumed.path)
            self._resumed = None
        elif epoch % int(self.config["state_every"] or 1) == 0:
            self._save_state()

    def _restore_random(self, path: str) -> None:
        states, rank = self._random, distributed.rank()
        with using(path, "random states", ResumeError):
            restore_random_state(states[min(rank, len(states) - 1)], getattr(self._loader, "generator", None))
        if rank >= len(states):  # dropout other than that of the process whose state it took
            torch.manual_seed(int(torch.randint(2**62, ())) + rank)

    def _save_checkpoint(self, epoch: int, verbose: bool = True, **kwargs: Any) -> None:
        """Save the model: RecBole calls this after the best epoch so far, without validation after every one.

        Without validation the model is saved after the last epoch, and every ``save_every`` epochs beside it.
        """
        path = kwargs.pop("saved_model_file", self.saved_model_file)
        if not self._validates:
            self.record.mark_best()
            if epoch != self.epochs - 1:
                if (epoch + 1) % int(self.config["save_every"] or self.epochs):
                    return
                path = f"{os.path.splitext(path)[0]}.epoch{epoch + 1}.pth"
        self._write(path)
        if verbose and distributed.rank() == 0:
            self.logger.info(set_color("Saving current", "blue") + f": {path}")

    def _save_state(self) -> None:
        """Write the rolling training state; a run that saves nothing (``saved=False``) writes none."""
        if self._saves:
            self._write(self.last_file)

    def _write(self, path: str) -> None:
        generator = getattr(self._loader, "generator", None)
        states = distributed.gather_objects(capture_random_state(generator))
        if distributed.rank() == 0:
            content = {"optimizer": self.optimizer.state_dict(), "training": self._training_state(states)}
            with self._averaged():
                content["state_dict"] = self.model.state_dict()
                write_checkpoint(path, self._description | content | self._items(path))
        distributed.barrier()  # the others may read the file next

    def _items(self, path: str) -> dict[str, Any]:
        """What a model's file says of the items, so that it recommends without the dataset's files."""
        if path == self.last_file:
            return {}
        with_features = self.config["save_features"] is not False
        return pack_items(getattr(self._loader, "dataset", None), self.model, with_features)

    def _training_state(self, random_states: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "next_epoch": self.record.epochs,
            "cur_step": self.cur_step,
            "best_valid_score": float(self.best_valid_score),
            "record": self.record.to_dict(),
            "best_file": os.path.basename(self.saved_model_file),
            "attempts": [*self.attempts],
            "data_files": dict(self.data_files),
            "random": random_states,
        } | ({} if self.average is None else {"own_weights": self.average.weights()})

    def resume_checkpoint(self, resume_file: str | os.PathLike[str]) -> None:
        """Continue an interrupted run: the rest of it is what it would have been, bit for bit on one machine.

        Args:
            resume_file: the run's ``….last.pth``; or its best checkpoint, beside which that file is looked
                for. Where there is none, the run continues from the epoch of the file given.

        Raises:
            UserError: unreadable; of another model or other widths; without a training state; or its best
                model's file is not beside it.
        """
        path = str(resume_file)
        path = distributed.broadcast_object(_state_file(path) if os.path.exists(_state_file(path)) else path)
        with brought(path) as here:
            checkpoint = replace(read_checkpoint(here), path=path)
        training = _training_of(checkpoint)
        written, now = len(training.random), distributed.world_size()
        if written != now:
            self.logger.info(f"resume: saved by {written} processes, goes on in {now}: other random numbers")
        self._compare_config(checkpoint)
        check_files(path, training.data_files, self.data_files)
        load_weights(path, self.model, checkpoint.state_dict)
        with given_anew(self.optimizer):
            load_optimizer(path, self.optimizer, checkpoint.optimizer or {})
        self._load_average(path, training)
        self._take_up(training, path)
        lost = bool(self.record.valid) and not os.path.exists(self.saved_model_file)
        if distributed.broadcast_object(lost):
            best = os.path.basename(self.saved_model_file)
            raise UserError(f"{path}: cannot be resumed, its best model {best} is not in the same folder")
        self._resumed = checkpoint
        self.logger.info(f"Checkpoint loaded. Resume training from epoch {self.start_epoch}: {path}")

    def _take_up(self, training: TrainingState, path: str) -> None:
        self.record, self._random = training.record, training.random
        self.start_epoch, self.cur_step = training.next_epoch, training.cur_step
        self.best_valid_score, self.best_valid_result = training.best_valid_score, self.record.best_result
        self.train_loss_dict = dict(enumerate(self.record.losses))
        beside = os.path.join(os.path.dirname(path), training.best_file)
        self.saved_model_file = beside if path == _state_file(path) else path  # a best model may be renamed

    def _compare_config(self, checkpoint: Checkpoint) -> None:
        """Refuse another model or optimiser; say which other keys make the rest of the run differ."""
        then, now = map(portable_config, (checkpoint.config, self.config.final_config_dict))
        if then.get("model") != now.get("model"):
            raise UserError(f"{checkpoint.path}: a run of {then.get('model')}, not of {now.get('model')}")
        if then.get("learner") != now.get("learner"):
            learners = f"{then.get('learner')}, not {now.get('learner')}"
            raise UserError(f"{checkpoint.path}: cannot be resumed, its learner was {learners}")
        check_scores(checkpoint.path, then, now)
        if _kind_of_counts(then) != _kind_of_counts(now):
            counts = " and ".join(
                f"{key} was {then.get(key)}, not {now.get(key)}"
                for key in ("co_occurrence", "co_occurrence_content")
                if then.get(key) != now.get(key)
            )
            raise UserError(f"{checkpoint.path}: cannot be resumed, its {counts}")
        free = _FREE_KEYS - ({"epochs"} if now.get("rate_schedule") == COSINE else set())
        keys = sorted((then.keys() | now.keys()) - free)
        changed = [
            f"{key} {then.get(key)} -> {now.get(key)}" for key in keys if then.get(key) != now.get(key)
        ]
        if changed:
            self.logger.warning(f"resume: the interrupted run was set otherwise: {', '.join(changed)}")

    def _load_average(self, path: str, training: TrainingState) -> None:
        """The weights in a checkpoint are averages; what training goes on with is beside them."""
        own = training.own_weights
        if (own is None) != (self.average is None):
            kind = "with" if own is None else "without"
            raise UserError(f"{path}: cannot be resumed {kind} an average of its weights; give its ema_decay")
        if self.average is None or own is None:
            return
        shapes = {name: value.shape for name, value in self.model.named_parameters()}
        wrong = [
            n for n, value in own.items() if n not in shapes or getattr(value, "shape", None) != shapes[n]
        ]
        if wrong:
            raise UserError(f"{path}: damaged checkpoint, training: own_weights: {wrong[0]} does not fit")
        self.average.take_up(own, training.record.steps)


def _kind_of_counts(settings: Mapping[str, Any]) -> tuple[str, Any]:
    """Whether the state of a model has counts and their weight, and what items share in them."""
    weight = settings.get("co_occurrence")
    kind = AUTO if weight == AUTO else "given" if weight else "none"
    return kind, (settings.get("co_occurrence_content") or 0) if weight else None


def _training_of(checkpoint: Checkpoint) -> TrainingState:
    """The training state; refuses a file that has none."""
    if checkpoint.training is None or checkpoint.optimizer is None:
        raise UserError(f"{checkpoint.path}: holds weights but no training state; give it as 'pretrained'")
    return checked(TrainingState, f"{checkpoint.path}: damaged checkpoint", checkpoint.training)


def _state_file(path: str) -> str:
    return path if path.endswith(".last.pth") else f"{os.path.splitext(path)[0]}.last.pth"

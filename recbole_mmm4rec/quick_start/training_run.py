"""A model that is built, trained and chosen by validation: what every run shares, alone or among many."""

import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from time import time
from typing import Any

import torch
from recbole import data as recbole_data
from recbole.trainer import Trainer
from recbole.utils import ModelType, get_flops, get_trainer, init_seed, set_color

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.errors import ResumeError, UserError
from recbole_mmm4rec.host.trainers import plain_trainer
from recbole_mmm4rec.quick_start.attempts import attempts_of, earlier_state
from recbole_mmm4rec.quick_start.run_key import dataset_hashes
from recbole_mmm4rec.training import distributed
from recbole_mmm4rec.training.checkpoint_parts import using
from recbole_mmm4rec.training.row_tokens import UNCHANGED, check_rows, read_known_tokens, row_tokens
from recbole_mmm4rec.training.trainer import MultiModalTrainer
from recbole_mmm4rec.training.transfer import load_pretrained


@dataclass
class Selection:
    """A trained model whose best epoch was chosen by validation only.

    Attributes:
        trainer: holds the model; ``trainer.evaluate(loader)`` loads the best epoch first.
        score: best validation score.
        valid: validation result of the best epoch; None without validation.
        epochs: (epoch, validation score, seconds since training began) as the trainer reported them.
    """

    trainer: Any
    score: float
    valid: dict[str, float] | None
    epochs: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def scores(self) -> dict[int, float]:
        """Validation score by epoch, those before an interruption included where the trainer keeps them."""
        record = getattr(self.trainer, "record", None)
        if record is None:
            return {epoch: score for epoch, score, _ in self.epochs}
        metric = str(self.trainer.config["valid_metric"]).lower()
        return {epoch: valid[metric] for epoch, valid in record.valid.items()}


def build_model(config: Any, dataset: Any) -> Any:
    """A model on its device, with pre-trained weights if ``pretrained`` names a checkpoint.

    Raises:
        UserError: values that the model refuses, or a checkpoint that does not fit.
    """
    init_seed(config["seed"], config["reproducibility"])
    model = _constructed(config, dataset).to(config["device"])
    taken = config.final_config_dict.get("pre_model_path")
    if taken:  # a model of RecBole's has just taken all its rows from there
        known = read_known_tokens(taken, dataset.iid_field)
        check_rows(taken, known, dataset, "pre-train again on these files")
    if config["pretrained"]:
        with brought(config["pretrained"]) as path:
            load_pretrained(model, path, dataset, bool(config["load_item_tables"]))
    if config["flops"]:
        transform = recbole_data.transform.construct_transform(config)
        flops = get_flops(model, dataset, config["device"], getLogger(), transform)
        getLogger().info(set_color("FLOPs", "blue") + f": {flops}")
    if distributed.rank():  # equal weights, but other dropout in each process
        torch.manual_seed(config["seed"] + distributed.rank())
    return model


def _constructed(config: Any, dataset: Any) -> Any:
    """The model; what its constructor misses or refuses is one line."""
    with config.missing_keys() as missing:
        try:
            return config.model_class(config, dataset)
        except UserError:
            raise
        except Exception as error:
            reason = _refusal(error, getattr(dataset, "field2type", {}), missing)
            if not reason:
                raise
            raise UserError(f"{config['model']}{reason}") from error


def _refusal(error: Exception, columns: Collection[str], missing: Collection[str]) -> str:
    """What a model's constructor says by an error, to follow the model's name; empty for a fault of its own.

    Args:
        error: raised by the constructor.
        columns: of the dataset.
        missing: keys that the constructor asked the configuration for in vain.
    """
    if isinstance(error, KeyError) and error.args[0] not in columns:  # how RecBole's ask for a column
        return f" needs the column {error}: name it in load_col"
    if isinstance(error, ValueError):  # how models refuse sizes that do not go together
        return f": {error}"
    if isinstance(error, AssertionError | ArithmeticError | RuntimeError):  # how torch and RecBole do
        return f": its settings do not go together ({type(error).__name__}: {error})"
    return f" reads {', '.join(sorted(missing))}, which no property file or flag sets" if missing else ""


def build_trainer(config: Any, model: Any, dataset: Any = None) -> Any:
    """The model's trainer, continued from ``resume`` if that names a checkpoint.

    :class:`MultiModalTrainer` also for sequential models of RecBole that its plain trainer would train: the
    same numbers, with a record of the run, exact resume and ranks. With every trainer equal scores are in no
    order.

    Args:
        config: the run's configuration.
        model: the model, on its device.
        dataset: its dataset; without, no one checks whether a resumed run's rows mean the same, and the
            checkpoints of a trainer of RecBole's do not say what they mean.
    """
    trainer = trainer_class(config, model)(config, model)
    if dataset is not None:
        trainer.row_tokens = row_tokens(dataset, model)
        trainer.data_files = dataset_hashes(Path(config["data_path"]), config["dataset"])
    trainer.attempts = attempts_of(config)
    resume = earlier_state(config, trainer.attempts) or config["resume"]
    if resume:
        _resume(trainer, resume, dataset)
    # the name holds the time, which processes may see differently
    trainer.saved_model_file = distributed.broadcast_object(trainer.saved_model_file)
    return trainer


def trainer_class(config: Any, model: Any) -> type:
    """The class of a model's trainer."""
    kind = get_trainer(config["MODEL_TYPE"], config["model"])
    return MultiModalTrainer if kind is Trainer and _is_plain(config, model) else plain_trainer(kind)


def _resume(trainer: Any, path: str, dataset: Any) -> None:
    if not distributed.broadcast_object(Path(path).is_file()):
        raise ResumeError(f"resume: {path} does not exist")
    if dataset is not None:
        with brought(path) as here:
            known = read_known_tokens(here, dataset.iid_field)
        check_rows(path, known, dataset, UNCHANGED, ResumeError)
    try:
        with using(path, "training state"):
            trainer.resume_checkpoint(path)
    except UserError as error:
        raise ResumeError(str(error)) from error


def _is_plain(config: Any, model: Any) -> bool:
    """A sequential model that is all in its state: ours keeps no "other parameters" in a checkpoint."""
    return config["MODEL_TYPE"] == ModelType.SEQUENTIAL and not hasattr(model, "other_parameter_name")


def select(
    config: Any,
    train_data: Any,
    valid_data: Any,
    saved: bool = True,
    watch: Callable[[int, float], None] | None = None,
) -> Selection:
    """Build a model, train it and choose its best epoch. There is no test loader here to choose by.

    Args:
        config: the run's configuration.
        train_data: RecBole's training loader.
        valid_data: RecBole's validation loader; an empty one for training without validation.
        saved: keep the best epoch on disk.
        watch: called with epoch and validation score after every validation, of a resumed run with the
            earlier ones first; may raise to end the run.
    """
    with using(config["resume"], "settings", ResumeError):
        network = build_model(config, train_data._dataset)
        getLogger().info(network)
        selection = Selection(build_trainer(config, network, train_data._dataset), 0.0, None)
    started = time()
    if watch is not None:
        for epoch, score in selection.scores.items():
            watch(epoch, score)

    def note(epoch: int, score: float) -> None:
        selection.epochs.append((epoch, float(score), time() - started))
        if watch is not None:
            watch(epoch, float(score))

    fit = selection.trainer.fit
    options = {"saved": saved, "show_progress": config["show_progress"]}
    if "callback_fn" in inspect.signature(fit).parameters:  # some trainers of RecBole have none
        options["callback_fn"] = note
    with _negatives_asked_for(config), _way_back_told(selection.trainer):
        selection.score, selection.valid = fit(train_data, valid_data, **options)
    if hasattr(selection.trainer, "tensorboard"):
        selection.trainer.tensorboard.close()  # its thread would write on, into a folder that may be gone
    distributed.barrier()  # the first process may still be writing the best epoch
    return selection


@contextmanager
def _way_back_told(trainer: Any) -> Iterator[None]:
    """Say how an interrupted run goes on, where it has a state to go on from."""
    try:
        yield
    except KeyboardInterrupt:
        state = getattr(trainer, "last_file", None)
        if state is not None and Path(state).is_file():
            getLogger().warning(f"interrupted; --resume={state} goes on after the last finished epoch")
        raise


@contextmanager
def _negatives_asked_for(config: Any) -> Iterator[None]:
    """Which models learn from sampled items only their losses tell: one that misses them is refused."""
    sampled = {f"{config['NEG_PREFIX']}{config['ITEM_ID_FIELD']}", config["LABEL_FIELD"]}
    try:
        yield
    except KeyError as error:
        if error.args[0] not in sampled or config["train_neg_sample_args"]["distribution"] != "none":
            raise
        raise UserError(
            f"train_neg_sample_args: {config['model']} learns from sampled items (column {error}), "
            "and none are asked for"
        ) from error


def select_or_continue(
    config: Any, train_data: Any, valid_data: Any, watch: Callable[[int, float], None] | None = None
) -> Selection:
    """:func:`select` with our trainer, from where a killed process left off.

    It is found in ``checkpoint_dir``, which belongs to this run only. What cannot be resumed starts over.
    """
    states = sorted(Path(config["checkpoint_dir"]).glob("*.last.pth"), key=lambda path: path.stat().st_mtime)
    if states:
        config["resume"] = str(states[-1])
        try:
            return select(config, train_data, valid_data, watch=watch)
        except ResumeError as error:
            getLogger().warning(f"starting over: {error}")
            config["resume"] = None
    return select(config, train_data, valid_data, watch=watch)


def best_epoch(selection: Selection, bigger: bool) -> int | None:
    """Number of the best epoch, from 0 as in RecBole's log, the later of equal ones; None if unknown."""
    record = getattr(selection.trainer, "record", None)
    if record is not None and record.valid:
        return record.best_epoch
    ranked = sorted((score if bigger else -score, epoch) for epoch, score, _ in selection.epochs)
    return ranked[-1][1] if ranked else None

"""From a configuration's keys to the objective of a model's training."""

from collections.abc import Collection
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.nn.negatives import NegativeSampler
from recbole_mmm4rec.nn.objectives import FullCatalogue, GeneralisedBCE, InBatch, Objective, SampledSoftmax

FULL, IN_BATCH, SAMPLED, GBCE = OBJECTIVES = ("full", "in_batch", "sampled", "gbce")
UNIFORM, POPULARITY = NEGATIVES = ("uniform", "popularity")


@runtime_checkable
class CountsTargets(Protocol):
    """What an objective asks of the dataset that a model is trained on."""

    def target_counts(self) -> Tensor:
        """(N + 1,) int64, how often each item is the target of a training sample."""
        ...


def objective_name(config: Any) -> str:
    """The value of ``objective``; where it is empty, what the stage has always had."""
    return config["objective"] or (IN_BATCH if config["stage"] == "pretrain" else FULL)


def check_objective(model_class: type, config: Any) -> None:
    """Refuse an objective that a model does not have, and keys that contradict it.

    Args:
        model_class: of any model; one without ``objectives`` computes its own loss.
        config: a run's values by key; None for one that is not there.

    Raises:
        UserError: naming the key.
    """
    given, name = config["objective"], objective_name(config)
    pretraining = config["stage"] == "pretrain"
    offered = getattr(model_class, "pretraining_objectives" if pretraining else "objectives", ())
    asked = [key for key in ("objective", "in_batch_log_q", "mask_seen") if config[key]]
    if asked and not offered:
        stage = "pre-training of " if pretraining and hasattr(model_class, "objectives") else ""
        raise UserError(f"{asked[0]}: {stage}{model_class.__name__} has its own loss; leave it out")
    if given and given not in offered:
        raise UserError(f"objective: '{given}' is not one of {', '.join(offered)} ({model_class.__name__})")
    if config["in_batch_log_q"] and name != IN_BATCH:
        raise UserError(f"in_batch_log_q: corrects the objective in_batch, not {name}")
    if name in (SAMPLED, GBCE):
        _check_sampling(name, config)
    elif (config["negatives"] or UNIFORM) != UNIFORM:
        raise UserError(f"negatives: the objective {name} draws none; leave it out")
    _check_smoothing(name, config["label_smoothing"] or 0.0, model_class, offered)
    if config["mask_seen"]:
        _check_seen(model_class, config)


def _check_seen(model_class: type, config: Any) -> None:
    if not getattr(model_class, "can_mask_seen", True):
        raise UserError(f"mask_seen: {model_class.__name__} guesses items within a history; leave it out")
    for key in ("pad_is_candidate", "label_smoothing"):
        if config[key]:
            raise UserError(f"mask_seen: leaves candidates out, {key}: {config[key]} does not allow that")


def _check_smoothing(name: str, smoothing: float, model_class: type, offered: Collection[str]) -> None:
    if not 0 <= smoothing < 1:
        raise UserError(f"label_smoothing: {smoothing} is not from 0 to below 1")
    if smoothing and not offered:
        raise UserError(f"label_smoothing: {model_class.__name__} has its own loss here; leave it out")
    if smoothing and name not in (FULL, IN_BATCH):
        raise UserError(f"label_smoothing: is for the objectives full and in_batch, not {name}")


def _check_sampling(name: str, config: Any) -> None:
    if config["negatives"] not in NEGATIVES:
        raise UserError(f"negatives: {config['negatives']!r} is not one of {', '.join(NEGATIVES)}")
    if config["num_negatives"] < 1:
        raise UserError(f"num_negatives: {config['num_negatives']} is not above 0")
    if name == GBCE and config["negatives"] != UNIFORM:
        raise UserError(f"negatives: gbce is calibrated for uniform negatives, not {config['negatives']}")
    if name == GBCE and not 0 <= config["gbce_t"] <= 1:
        raise UserError(f"gbce_t: {config['gbce_t']} is not from 0 to 1")


def build_objective(model_class: type, config: Any, dataset: Any, n_items: int) -> Objective | None:
    """The objective of the stage, or None where the model has its own losses.

    Args:
        model_class: declares ``objectives`` and ``pretraining_objectives``.
        config: the run's configuration.
        dataset: counts the targets of training, where the keys need that.
        n_items: N + 1.

    Raises:
        UserError: keys that contradict one another, or no two items to draw from.
    """
    check_objective(model_class, config)
    name = objective_name(config)
    if not getattr(model_class, "pretraining_objectives" if config["stage"] == "pretrain" else "objectives"):
        return None
    smoothing = config["label_smoothing"]
    if name == FULL:
        return FullCatalogue(bool(config["pad_is_candidate"]), config["softmax_chunk"], smoothing)
    if name == IN_BATCH:
        counts = _counts(dataset, n_items) if config["in_batch_log_q"] else None
        return InBatch(bool(config["mask_equal_items"]), counts, smoothing)
    sampler = _sampler(config, dataset, n_items)
    count, shared = config["num_negatives"], bool(config["shared_negatives"])
    if name == SAMPLED:
        return SampledSoftmax(sampler, count, shared)
    return GeneralisedBCE(sampler, count, shared, config["gbce_t"])


def _sampler(config: Any, dataset: Any, n_items: int) -> NegativeSampler:
    """An item without a target in training is drawn as often as one with a single target."""
    popular = config["negatives"] == POPULARITY
    weights = _counts(dataset, n_items).clamp_min(1) if popular else torch.ones(n_items, dtype=torch.int64)
    try:
        return NegativeSampler(weights)
    except ValueError as error:
        raise UserError(f"objective: {config['objective']}: {error}") from error


def _counts(dataset: Any, n_items: int) -> Tensor:
    """Counts of training; all alike where there is no training set, as in a loaded model that only scores."""
    if isinstance(dataset, CountsTargets):
        return dataset.target_counts()
    return torch.ones(n_items, dtype=torch.int64)

"""Checks of a run's final values: what would mean another value, or fail in the middle of the work."""

import inspect
from collections import defaultdict
from typing import Any

from recbole.evaluator.register import metric_types
from recbole.utils import EvaluatorType, ModelType
from torch.nn.utils import clip_grad_norm_

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import is_ours
from recbole_mmm4rec.host.property_files import FIDELITIES
from recbole_mmm4rec.host.value_shapes import check_columns
from recbole_mmm4rec.model.objective import check_objective
from recbole_mmm4rec.model.positions import LAST, check_positions
from recbole_mmm4rec.model.remembered import AUTO
from recbole_mmm4rec.nn.time_aware import TIME_BRANCHES
from recbole_mmm4rec.renamed import renamed_value
from recbole_mmm4rec.training.rate_schedule import CONSTANT, COSINE, SCHEDULES
from recbole_mmm4rec.training.weight_decay import AUTO as DECAY_AUTO

POSITIVE = (
    *("train_batch_size", "eval_batch_size", "eval_chunk_size", "learning_rate", "MAX_ITEM_LIST_LENGTH"),
    *("accumulation_steps", "hidden_size", "embedding_size", "inner_size", "num_layers", "n_layers"),
    *("n_heads", "head_dim", "n_groups", "d_state", "d_conv", "expand", "num_buckets", "n_exps"),
)
"""Keys whose numbers are above 0."""

NOT_NEGATIVE = ("weight_decay", "epochs", "co_occurrence", "co_occurrence_content")
"""Keys whose numbers are not below 0."""

CHOICES = {
    "stage": ("finetune", "pretrain"),
    "fidelity": FIDELITIES,
    "time_branch": TIME_BRANCHES,
}
"""Values of keys that several places compare with one of them."""

RATE_SCALES = ("moved_rate_scale", "item_rate_scale")
OF_SEQUENTIAL: dict[str, Any] = {
    "stage": "finetune",
    "hold_out": None,
    "accumulation_steps": 1,
    "precision": "float32",
    "rate_schedule": CONSTANT,
    "warmup_epochs": 0,
    "ema_decay": 0,
    "eval_interval_steps": 0,
    **dict.fromkeys(RATE_SCALES, 1),
}
"""Keys that RecBole's other models do not have, with the value that changes nothing."""

OF_OUR_RUNS: dict[str, Any] = {"positions": LAST, "rank_seen": True, "pretrained": None, "resume": None}
"""Keys that the runs of this package follow and RecBole's own functions do not, with the same."""

LEAVE_ONE_OUT = ("valid_and_test", "valid_only", "test_only")


def check_values(model_class: type, final: dict[str, Any]) -> None:
    """Check the final values of a run.

    Raises:
        UserError: naming the key.
    """
    check_columns(final)
    check_choices(final)
    check_learner(model_class, final)
    check_steps(final)
    check_loss(model_class, final)
    check_shared(model_class, final)
    values = defaultdict(lambda: None, final)
    check_objective(model_class, values)
    check_positions(model_class, values)
    check_counts(final)
    check_gaps(final)
    check_ranges(final)
    check_clipping(final)
    check_valid_metric(final)


def check_ranges(final: dict[str, Any]) -> None:
    """Refuse sizes and rates below which RecBole fails in the middle of its work."""
    for key in POSITIVE:
        if isinstance(final.get(key), int | float) and not final[key] > 0:
            raise UserError(f"{key}: {final[key]} is not above 0")
    for key in NOT_NEGATIVE:
        if isinstance(final.get(key), int | float) and final[key] < 0:
            raise UserError(f"{key}: {final[key]} is below 0")
    for key, value in final.items():
        if "dropout" in key and isinstance(value, int | float) and not 0 <= value <= 1:
            raise UserError(f"{key}: {value} is not a probability, from 0 to 1")
    if final["seed"] is not None:
        check_seed(final["seed"])


def check_counts(final: dict[str, Any]) -> None:
    """Refuse words for the weight of counts other than the one that there is."""
    weight = final.get("co_occurrence")
    if isinstance(weight, str) and weight != AUTO:
        raise UserError(f"co_occurrence: '{weight}' is neither a number nor {AUTO}")


def check_gaps(final: dict[str, Any]) -> None:
    """Refuse raw seconds on the scale of their logarithms: step sizes would be multiplied by millions."""
    if final.get("gap_norm") == "fixed" and final.get("gap_log") is False:
        raise UserError("gap_norm: fixed is a scale for logarithms of seconds, gap_log: False gives seconds")


def check_clipping(final: dict[str, Any]) -> None:
    """Refuse what ``torch.nn.utils.clip_grad_norm_`` does not take, which is found at the first step."""
    if not final.get("clip_grad_norm"):
        return
    try:
        inspect.signature(clip_grad_norm_).bind([], **final["clip_grad_norm"])
    except TypeError as error:
        raise UserError(f"clip_grad_norm: {error}; it holds max_norm, and norm_type if wanted") from None


def check_loss(model_class: type, final: dict[str, Any]) -> None:
    """Refuse another loss for models that have one."""
    if is_ours(model_class) and final.get("loss_type") != "CE":
        raise UserError(
            f"loss_type: {model_class.__name__} has CE, cross-entropy; got {final.get('loss_type')}"
        )


def check_shared(model_class: type, final: dict[str, Any]) -> None:
    """Refuse to share out batches among processes where a loss reads them whole."""
    for key, value in getattr(model_class, "whole_batch_values", {}).items():
        if final.get("single_spec") is False and final.get(key) == value:
            raise UserError(f"{key}: '{value}' reads whole batches, which several processes share out")


def check_learner(model_class: type, final: dict[str, Any]) -> None:
    """Refuse what RecBole's trainers do not have: NAdam, for which they take Adam, and a penalty to fit."""
    ours = is_ours(model_class) and final["MODEL_TYPE"] == ModelType.SEQUENTIAL
    if final.get("weight_decay") == DECAY_AUTO and not ours:
        raise UserError(f"weight_decay: {DECAY_AUTO} is for models of this package; give a number")
    if final["MODEL_TYPE"] != ModelType.SEQUENTIAL and str(final["learner"]).lower() == "nadam":
        raise UserError("learner: RecBole's trainer of this model has no nadam")


def check_steps(final: dict[str, Any]) -> None:
    """Refuse rates and averages that mean nothing, or that RecBole's trainers do not have."""
    name, warmup = final.get("rate_schedule") or CONSTANT, final.get("warmup_epochs") or 0
    decay = final.get("ema_decay") or 0
    if name not in SCHEDULES:
        raise UserError(f"rate_schedule: '{name}' is not one of {', '.join(SCHEDULES)}")
    if warmup < 0 or (name == COSINE and warmup and warmup >= final["epochs"]):
        raise UserError(f"warmup_epochs: {warmup} is not from 0 to below the {final['epochs']} epochs")
    if not 0 <= decay < 1:
        raise UserError(f"ema_decay: {decay} is not from 0 to below 1")
    for key in RATE_SCALES:
        if final.get(key, 1.0) < 0:
            raise UserError(f"{key}: {final[key]} is below 0")
    for key, neutral in OF_SEQUENTIAL.items():
        if final["MODEL_TYPE"] != ModelType.SEQUENTIAL and final.get(key) not in (None, neutral):
            raise UserError(f"{key}: RecBole's code of this model does not have it")


def check_of_our_runs(final: dict[str, Any]) -> None:
    """Refuse what RecBole's own functions would ignore without a word."""
    for key, neutral in OF_OUR_RUNS.items():
        if final.get(key) not in (None, neutral):
            raise UserError(
                f"{key}: {final[key]} is for recbole_mmm4rec.run, which RecBole's own functions do not call"
            )


def check_seed(seed: int) -> None:
    """Refuse what numpy takes for no seed."""
    if not 0 <= seed < 2**32:
        raise UserError(f"seed: {seed} is not from 0 to {2**32 - 1}")


def check_choices(final: dict[str, Any]) -> None:
    """Refuse words that would silently mean another one, and splits that fail after the data are read."""
    for key, choices in CHOICES.items():
        if key in final and final[key] not in choices:
            unknown = f"'{final[key]}' is not one of {', '.join(choices)}"
            raise UserError(f"{key}: {renamed_value(key, final[key]) or unknown}")
    split = final["eval_args"]
    if final["MODEL_TYPE"] == ModelType.SEQUENTIAL and split["order"] != "TO":
        raise UserError("eval_args: a sequential model needs the order of time, order: TO")
    check_seen(final)
    one_out = split["split"].get("LS", LEAVE_ONE_OUT[0])
    if one_out not in LEAVE_ONE_OUT:
        raise UserError(f"eval_args: split: LS: '{one_out}' is not one of {', '.join(LEAVE_ONE_OUT)}")
    ranking = [name for name in final["metrics"] if metric_types.get(name.lower()) == EvaluatorType.RANKING]
    if "labeled" in split["mode"].values() and ranking:
        raise UserError(f"eval_args: mode: labeled ranks nothing, so it gives no {', '.join(ranking)}")


def check_seen(final: dict[str, Any]) -> None:
    """Refuse to leave seen items out where RecBole's samplers do not know any."""
    sequential = final["MODEL_TYPE"] == ModelType.SEQUENTIAL
    if final.get("rank_seen") is False and final.get("repeatable") and not sequential:
        raise UserError("rank_seen: False leaves seen items out, repeatable: True keeps them; set only one")


def evaluated_metrics(final: dict[str, Any]) -> list[str]:
    """What an evaluation gives, in lower case: every metric at every k, or alone where it has none."""
    metrics = [str(name).lower() for name in final["metrics"]]
    alone = [name for name in metrics if name == "gauc" or metric_types.get(name) == EvaluatorType.VALUE]
    return [*(f"{name}@{k}" for name in metrics if name not in alone for k in final["topk"]), *alone]


def check_valid_metric(final: dict[str, Any]) -> None:
    """Refuse a validation metric that an evaluation does not give: RecBole fails on it after an epoch."""
    wanted, given = str(final["valid_metric"]), evaluated_metrics(final)
    if wanted.lower() not in given:
        raise UserError(f"valid_metric: {wanted} is not one of metrics x topk: {', '.join(given)}")

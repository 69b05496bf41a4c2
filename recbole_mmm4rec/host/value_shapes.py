"""What the values of RecBole's and our general keys must look like, before anything works with them.

The comments in the property files give the type of a key; here is what they cannot say: what a list or a
dictionary holds, which words and numbers are possible. RecBole fails on most of these in the middle of its
work, and some mean something else without a word: ``load_col: {inter: user_id}`` would load the columns u, s,
e and r, an unknown learner would be Adam.
"""

import codecs
import logging
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.schema import Strict, as_list, checked
from recbole_mmm4rec.training.weight_decay import AUTO

LEARNERS = ("adam", "adamw", "adagrad", "nadam", "rmsprop", "sgd", "sparse_adam")
_NUMBER = r"\s*[-+]?(inf|\d+\.?\d*|\.\d+)\s*"
_INTERVALS = re.compile(rf"([\[(]{_NUMBER},{_NUMBER}[\])];?)+")


def _intervals(text: str) -> str:
    if not _INTERVALS.fullmatch(text.strip()):
        raise ValueError(f"expected intervals such as [5,inf) or [0,3];(7,9], found '{text}'")
    return text


def _level(text: str) -> str:
    if not isinstance(logging.getLevelName(text.upper()), int):
        raise ValueError(f"expected a level of logging such as INFO, found '{text}'")
    return text


def _encoding(text: str) -> str:
    try:
        codecs.lookup(text)
    except LookupError:
        raise ValueError(f"expected an encoding such as utf-8, found '{text}'") from None
    return text


def _learner(text: str) -> str:
    if text.lower() not in LEARNERS:
        raise ValueError(f"'{text}' is not one of {', '.join(LEARNERS)}")
    return text


def _columns(value: Any) -> Any:
    """Columns by file, without those of which nothing or everything is loaded."""
    if not isinstance(value, Mapping):
        return value
    return {file: columns for file, columns in value.items() if columns is not None and columns != "*"}


def _modes(value: Any) -> Any:
    return {"valid": value, "test": value} if isinstance(value, str) else value


def _some(ratios: list[float]) -> list[float]:
    if not sum(ratios):
        raise ValueError("expected a share above 0")
    return ratios


def _with_a_past(ratios: list[float]) -> list[float]:
    if not ratios[0] + ratios[1]:
        raise ValueError("expected a share above 0 before the last one")
    return ratios


def _values_or_interval(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(min_length=1)]
Intervals = Annotated[str, AfterValidator(_intervals)]
Transform = Literal["mask_itemseq", "inverse_itemseq", "crop_itemseq", "reorder_itemseq", "user_defined"]
Columns = Annotated[dict[str, list[Text]], BeforeValidator(_columns)]
Mode = Annotated[str, StringConstraints(pattern=r"^(full|labeled|(uni|pop)[1-9]\d*)$")]
Ratios = Annotated[list[NonNegativeFloat], Field(min_length=3, max_length=3), AfterValidator(_some)]


class Split(Strict):
    """How interactions are split: at shares, the last ones of a user, or at a moment."""

    RS: Ratios = [0.8, 0.1, 0.1]
    LS: Text = "valid_and_test"
    TS: Annotated[Ratios, AfterValidator(_with_a_past)] = [0.8, 0.1, 0.1]

    @model_validator(mode="after")
    def _one_kind(self) -> "Split":
        if len(self.model_fields_set) != 1:
            raise ValueError("expected one of RS, LS and TS")
        return self


class EvalArgs(Strict):
    """``eval_args``."""

    split: Split = Split(LS="valid_and_test")
    order: Literal["RO", "TO"] = "RO"
    group_by: Literal["user", "none"] | None = None
    mode: Annotated[dict[Literal["valid", "test"], Mode], BeforeValidator(_modes)] = {}


class NegativeSampling(Strict):
    """``train_neg_sample_args``."""

    distribution: Text = "uniform"
    sample_num: PositiveInt = 1
    alpha: FiniteFloat = 1.0
    dynamic: bool = False
    candidate_num: NonNegativeInt = 0


class Clipping(Strict, extra="ignore"):
    """``clip_grad_norm``; what else torch takes is checked there."""

    max_norm: Annotated[float, Field(gt=0)] = 1.0
    norm_type: float = 2.0


def _number_unless_auto(value: Any) -> Any:
    return None if value == AUTO else value


class Shapes(Strict):
    """The keys; a value that is not given is not looked at, and None only where a key has it."""

    model: Text = ""
    dataset: Text = ""
    checkpoint_dir: Text = ""
    data_path: Text = ""
    pretrained: Text | None = None
    resume: Text | None = None
    recbole_code: Literal["fast", "original"] = "fast"
    metrics: Annotated[list[Text], BeforeValidator(as_list)] = []
    topk: Annotated[list[PositiveInt], BeforeValidator(as_list), Field(min_length=1)] = [1]
    valid_metric: Text = ""
    eval_args: EvalArgs = EvalArgs()
    train_neg_sample_args: NegativeSampling | None = None
    clip_grad_norm: Clipping | None = None
    load_col: Columns | None = None
    unload_col: Columns | None = None
    val_interval: (
        dict[str, Annotated[list[str | int | float], BeforeValidator(_values_or_interval)]] | None
    ) = None
    user_inter_num_interval: Intervals | None = None
    item_inter_num_interval: Intervals | None = None
    threshold: dict[str, FiniteFloat] | None = None
    preload_weight: dict[str, str] | None = None
    rm_dup_inter: Literal["first", "last"] | None = None
    USER_ID_FIELD: Text = ""
    ITEM_ID_FIELD: Text = ""
    LABEL_FIELD: Text = ""
    TIME_FIELD: Text | None = None
    RATING_FIELD: Text = ""
    NEG_PREFIX: Text = ""
    LIST_SUFFIX: Text = ""
    ITEM_LIST_LENGTH_FIELD: Text = ""
    POSITION_FIELD: Text = ""
    dataset_save_path: Text | None = None
    dataloaders_save_path: Text | None = None
    transform: Transform | None = None
    field_separator: Text = "\t"
    seq_separator: Text = " "
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    state: Annotated[str, AfterValidator(_level)] = "INFO"
    learner: Annotated[str, AfterValidator(_learner)] = "adam"
    learning_rate: Annotated[FiniteFloat, Field(le=1e30)] = 1.0  # torch takes no number beyond float32's
    weight_decay: Annotated[FiniteFloat | None, Field(le=1e30), BeforeValidator(_number_unless_auto)] = None
    stopping_step: NonNegativeInt = 0
    patience: PositiveInt | None = None
    worker: NonNegativeInt = 0
    eval_interval_steps: NonNegativeInt = 0
    metric_decimal_place: NonNegativeInt = 4
    loss_decimal_place: NonNegativeInt = 4
    state_every: PositiveInt = 1
    save_every: PositiveInt | None = None
    precision: Literal["float32", "bf16"] = "float32"


def check_shapes(values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
    """Check the values that the user gave.

    Args:
        values: by key.
        sources: where each key was given, for the message.

    Raises:
        UserError: naming source and key, and what was expected.
    """
    for key in values.keys() & Shapes.model_fields.keys():
        checked(Shapes, sources.get(key, "configuration"), {key: values[key]})


def check_columns(final: Mapping[str, Any]) -> None:
    """Refuse a selection of columns without the ids, by which RecBole numbers and joins everything.

    Raises:
        UserError: naming file and column.
    """
    user, item = final["USER_ID_FIELD"], final["ITEM_ID_FIELD"]
    for file, ids in (("inter", (user, item)), ("user", (user,)), ("item", (item,))):
        loaded, left_out = _selected(final, file)
        for field in ids:
            if (loaded is not None and field not in loaded) or field in left_out:
                raise UserError(f"load_col, unload_col: {file}: the column {field} is needed and left out")


def _selected(final: Mapping[str, Any], file: str) -> tuple[Any, Any]:
    """Columns to load of a file, None for no such choice, and those to leave out."""
    left_out = (final.get("unload_col") or {}).get(file) or ()
    if final.get("load_col") is None:
        return None, left_out
    loaded = final["load_col"].get(file, () if file == "inter" else None)
    return None if loaded == "*" else loaded, left_out

"""Whether a model can be trained at all positions of a history at once, key ``positions``."""

from typing import Any

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.nn.time_aware import CAUSAL

LAST, ALL = POSITIONS = ("last", "all")

WHOLE_HISTORY_TIMES = (
    "has a time branch over the whole history; time_branch: causal is one that looks back only, "
    "use_time: False switches it off"
)

UNKNOWN = "does not say that it has one"


def check_positions(model_class: type, config: Any, has_time: bool = False) -> None:
    """Refuse ``positions: all`` for a model that reads a history as a whole.

    Args:
        model_class: of any model; one without ``whole_history_part`` is trained at the last position only.
        config: a run's values by key; None for one that is not there.
        has_time: whether the dataset has times; False where it is not read yet, so that a model that only
            its time branch holds back is refused once it is.

    Raises:
        UserError: naming the key and what is in the way.
    """
    wanted = config["positions"] or LAST
    if wanted not in POSITIONS:
        raise UserError(f"positions: {wanted!r} is not one of {', '.join(POSITIONS)}")
    if wanted == LAST:
        return
    name = model_class.__name__
    if config["stage"] == "pretrain" and not getattr(model_class, "pretraining_objectives", ()):
        raise UserError(f"positions: pre-training of {name} has its own losses, of whole histories")
    ask = getattr(model_class, "whole_history_part", None)
    part = ask(config, has_time) if ask else UNKNOWN
    if part is not None:
        raise UserError(f"positions: all needs a causal encoder, and {name} {part}")


def whole_history_times(config: Any, has_time: bool) -> str | None:
    """``whole_history_part`` of a model that has nothing but its time branch in the way."""
    reads_times = bool(config["use_time"]) and has_time
    return WHOLE_HISTORY_TIMES if reads_times and config["time_branch"] != CAUSAL else None

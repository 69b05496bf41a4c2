"""PyTorch's optimisers, called without a detour through its compiler.

``torch.optim`` keeps ``torch.compile`` out of some methods (torch/_compile.py, ``_disable_dynamo``;
torch/optim/optimizer.py, ``_use_grad_for_differentiable``). The first call of any of them imports the whole
compiler: more than a second of a run in which nothing is compiled.
"""

import inspect
from collections.abc import Iterable
from functools import lru_cache
from logging import getLogger
from typing import Any

import torch
from torch import optim

from recbole_mmm4rec.errors import UserError

LEARNERS: dict[str, type[optim.Optimizer]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adagrad": optim.Adagrad,
    "nadam": optim.NAdam,
    "rmsprop": optim.RMSprop,
    "sgd": optim.SGD,
    "sparse_adam": optim.SparseAdam,
}
"""What the key ``learner`` takes: RecBole's (trainer.py, line 164) and NAdam."""

_KEPT_FROM_COMPILER = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def make_optimiser(learner: str, params: Iterable[Any], rate: float, decay: float) -> optim.Optimizer:
    """An optimiser as RecBole makes it (trainer.py, line 139).

    Args:
        learner: a key of :data:`LEARNERS`.
        params: parameters or parameter groups.
        rate: learning rate.
        decay: weight decay of groups that do not set it; ``sparse_adam`` has none.

    Raises:
        UserError: unknown learner.
    """
    if learner not in LEARNERS:
        raise UserError(f"learner: {learner!r} is not one of {', '.join(LEARNERS)}")
    kind = uncompiled(learner)
    if learner != "sparse_adam":
        return kind(params, lr=rate, weight_decay=decay)  # type: ignore[call-arg]
    if decay > 0:
        getLogger().warning(f"weight_decay: {decay} is left out, as sparse_adam has none")
    return kind(params, lr=rate)  # type: ignore[call-arg]


@lru_cache(maxsize=len(LEARNERS))
def uncompiled(learner: str) -> type[optim.Optimizer]:
    """A learner's class with its methods as they were before PyTorch wrapped them; the same numbers.

    Its steps record no gradients, as those of PyTorch without ``differentiable``. Its hooks are called.
    """
    kind = LEARNERS[learner]
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _KEPT_FROM_COMPILER}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods | {"__module__": __name__})

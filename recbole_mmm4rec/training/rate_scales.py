"""Learning rates of parts of a model: of what was moved from a pre-trained one, and of the rows of items."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from recbole_mmm4rec.model.interface import hooks_of


def rate_scales(config: Any, model: nn.Module) -> dict[str, float]:
    """What the learning rate of a parameter is multiplied by, by name; only factors other than 1.

    Args:
        config: ``moved_rate_scale`` is for the parameters in ``model.moved``, which
            :func:`~recbole_mmm4rec.training.transfer.load_pretrained` notes, ``item_rate_scale`` for those
            that belong to one dataset's items (``item_bound``); both for a table whose rows were moved.
        model: the model that is trained.
    """
    moved: frozenset[str] = getattr(model, "moved", frozenset())
    bound = tuple(hooks_of(model).item_bound)
    of_moved, of_items = config["moved_rate_scale"], config["item_rate_scale"]
    scales = {}
    for name, _ in model.named_parameters():
        scale = (1.0 if of_moved is None or name not in moved else float(of_moved)) * (
            1.0 if of_items is None or not name.startswith(bound) else float(of_items)
        )
        if scale != 1.0:
            scales[name] = scale
    return scales


def scaled_groups(
    groups: Iterable[Any], model: nn.Module, rate: float, scales: Mapping[str, float]
) -> list[Any]:
    """Optimiser groups in which every parameter has its learning rate.

    Args:
        groups: parameters, or groups of them with settings of their own; all stay as they are without scales.
        model: names the parameters.
        rate: learning rate of the parameters that have no scale.
        scales: by parameter name, see :func:`rate_scales`.
    """
    groups = list(groups)
    if not scales:
        return groups
    of = {id(parameter): scales.get(name, 1.0) for name, parameter in model.named_parameters()}
    if not isinstance(groups[0], dict):
        groups = [{"params": groups}]
    scaled = []
    for group in groups:
        for scale in sorted({of[id(parameter)] for parameter in group["params"]}, reverse=True):
            chosen = [parameter for parameter in group["params"] if of[id(parameter)] == scale]
            scaled.append(group | {"params": chosen, "lr": rate * scale})
    return scaled

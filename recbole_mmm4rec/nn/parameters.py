"""How parameters start and which of them are decayed."""

from typing import Any

from torch import nn


def initialise(model: nn.Module, std: float = 0.02) -> None:
    """Normal(0, std) weights and zero biases for every linear map and embedding, then the layers' own rules.

    A layer with a method ``initialise`` sets what must not be ordinary (step biases, decay rates, time
    scales). Frozen features are neither linear maps nor embeddings and stay as they were loaded.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for module in model.modules():
        own_rule = getattr(module, "initialise", None)
        if callable(own_rule):
            own_rule()


def start_as_torch(*parts: nn.Module) -> None:
    """Torch's own first values for every linear map in these parts: uniform in ±1 / sqrt(inputs)."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()


def parameter_groups(
    model: nn.Module, weight_decay: float, decay_everything: bool = False
) -> list[dict[str, Any]]:
    """Two optimiser groups: decayed matrices, and the rest.

    Not decayed are vectors (biases, norms, decay rates A, skips D, step biases) and everything in a layer
    marked ``no_decay`` (the time branch, whose gradients are smaller than any decay).

    Args:
        model: its trainable parameters are split.
        weight_decay: of the decayed group.
        decay_everything: one group, as the released code trains.
    """
    exempt = {
        id(parameter)
        for module in model.modules()
        if getattr(module, "no_decay", False)
        for parameter in module.parameters()
    }
    trainable = [p for p in model.parameters() if p.requires_grad]
    if decay_everything:
        return [{"params": trainable, "weight_decay": weight_decay}]
    decayed = [p for p in trainable if p.ndim > 1 and id(p) not in exempt]
    kept = {id(p) for p in decayed}
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": [p for p in trainable if id(p) not in kept], "weight_decay": 0.0},
    ]

"""A model of ours against a golden file: users, scores, loss and every gradient."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tests import golden as files
from tests.golden import Golden, assert_agrees
from tests.model import builders

Convert = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def build(model_class: Any, golden: Golden, convert: Convert, has_time: bool = False, **changes: Any) -> Any:
    """The model of a golden file with its parameters, in evaluation mode."""
    changes = {"MAX_ITEM_LIST_LENGTH": golden.max_len} | changes
    config = builders.settings(model_class.__name__, "reference", **changes)
    features = {
        name: builders.feature(golden.input[f"{name}_features"])
        for name in (*model_class.modalities, *model_class.companions)
        if f"{name}_features" in golden.input
    }
    model = model_class(config, builders.dataset(golden.rows, has_time, **features))
    model.load_state_dict(convert(golden.param), strict=True)
    return model.eval()


TRANSFORMER_SIZES: dict[str, type] = {
    "hidden_size": int,
    "inner_size": int,
    "n_layers": int,
    "n_heads": int,
    "layer_norm_eps": float,
}


def transformer_sizes(golden: Golden) -> dict[str, Any]:
    """What the header says of a Transformer; what it does not say is as in the property files."""
    stated = golden.meta | golden.hyper
    return {name: kind(stated[name]) for name, kind in TRANSFORMER_SIZES.items() if name in stated}


def interaction(golden: Golden, times: str | None = None) -> Any:
    """The file's batch, as the data layer gives it."""
    i = golden.input
    return builders.batch(i["item_seq"], i["item_seq_len"], i["pos_items"], i[times] if times else None)


def assert_outputs_agree(
    model: Any, golden: Golden, batch: Any, temperature: float = 1.0, suffix: str = ""
) -> Tensor:
    """User vectors, scores (ours are divided by the temperature) and the loss, which is returned."""
    users = model.user_vectors(batch)
    expected = golden.output[f"user{suffix}"]
    if temperature != 1.0:  # ours are of length 1 where scores are cosines
        expected = torch.nn.functional.normalize(expected, dim=-1)
    assert_agrees(users, expected, "user vectors")
    scores = model.full_sort_predict(batch)
    assert_agrees(scores * temperature, golden.output[f"scores{suffix}"], "scores")
    assert_agrees(users @ model.item_matrix().T, scores, "user vectors times item matrix", 1e-5)
    targets = batch["item_id"]
    assert_agrees(model.predict(batch), scores[torch.arange(len(targets)), targets], "predict", 1e-5)
    loss = model.calculate_loss(batch)
    assert_agrees(loss, golden.output[f"loss{suffix}"], "loss")
    return loss


def assert_gradients_agree(
    model: Any, loss: Tensor, expected: Mapping[str, Tensor], tolerance: float = files.TOLERANCE
) -> None:
    """Every gradient of ``loss`` that the file holds, by our names; a file may hold only some of them.

    ``name[k]`` is the k-th of the equal pieces that a parameter is made of.
    """
    model.zero_grad()
    loss.backward()
    actual = {name: p.grad for name, p in model.named_parameters()}
    pieces = {name: _piece(actual, name, grad) for name, grad in expected.items() if "[" in name}
    files.assert_gradients_agree(actual | pieces, expected, tolerance)


def _piece(grads: Mapping[str, Tensor | None], name: str, like: Tensor) -> Tensor | None:
    whole, _, number = name.removesuffix("]").partition("[")
    grad = grads[whole]
    return None if grad is None else grad.flatten().split(like.numel())[int(number)].view_as(like)

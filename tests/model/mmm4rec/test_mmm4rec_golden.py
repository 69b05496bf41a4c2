"""``fidelity: reference`` computes what the released code computes: users, scores, loss, every gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders

FILES = golden_files("mmm4rec*")
SIZES = ("hidden_size", "inner_size", "num_layers", "d_state", "n_groups", "d_conv", "expand", "head_dim")


def settings(golden: Golden) -> dict[str, Any]:
    """The keys that the file's header sets."""
    h = golden.hyper
    return {name: h[name] for name in SIZES} | {
        "norm_eps": float(h["norm_eps"]),
        "use_time": h["is_time"],
        "pointwise_gate": h["p2p_residual"],
        "item_ids": h["is_modality_bias"],
        "item_mm_fusion": h["item_mm_fusion"],
        "temperature": h["temperature"],
        "MAX_ITEM_LIST_LENGTH": golden.max_len,
        "stage": "pretrain" if golden.meta["loss"] == "in_batch" else "finetune",
    }


def build(golden: Golden, **changes: Any) -> MMM4Rec:
    """The model of a golden file, with its parameters."""
    return agreement.build(
        MMM4Rec, golden, MMM4Rec.convert_released, has_time=True, **(settings(golden) | changes)
    )


def gradients(golden: Golden) -> dict[str, Tensor]:
    """The file's gradients by our names; sizes of the parts of a tensor are read from all parameters."""
    unknown = {name: torch.full_like(value, torch.nan) for name, value in golden.param.items()}
    converted = MMM4Rec.convert_released(unknown | golden.grad)
    return {name: grad for name, grad in converted.items() if not grad.isnan().all()}


def interaction(golden: Golden) -> Any:
    return agreement.interaction(golden, "timestamps" if "timestamps" in golden.input else None)


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", FILES)
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model, batch = build(golden, num_buckets=buckets), interaction(golden)
    assert_agrees(model.user_vectors(batch), golden.output["user"], "user vectors")

    scores = model.full_sort_predict(batch)
    if golden.meta["loss"] == "in_batch":
        scores = scores[:, golden.input["pos_items"]]
    assert_agrees(scores, golden.output["scores"], "scores")

    loss = model.calculate_loss(batch)
    assert_agrees(loss, golden.output["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, gradients(golden))


@pytest.mark.parametrize("path", FILES)
def test_every_entry_of_a_released_state_is_used(path: Path) -> None:
    golden = load(path)
    assert MMM4Rec.convert_released(golden.param).keys() == build(golden).state_dict().keys()


@pytest.mark.parametrize(
    ("head_dim", "fidelity", "activation"),
    [(8, "reference", F.silu), (16, "reference", F.hardswish), (16, "repaired", F.silu)],
)
def test_the_fusion_block_falls_back_to_hardswish_as_released(
    head_dim: int, fidelity: str, activation: Any
) -> None:
    config = builders.settings("MMM4Rec", fidelity, hidden_size=32, head_dim=head_dim, n_groups=1)
    features = {name: builders.feature(torch.randn(9, 5)) for name in ("text", "image")}
    model = MMM4Rec(config, builders.dataset(9, **features))
    assert model.layers[0].fuse.settings.activation is activation
    assert model.time_layers[0].fuse.settings.activation is activation
    assert model.layers[0].align.settings.activation is F.silu

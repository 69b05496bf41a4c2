"""Mamba4Rec and its text variant against the official code."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.model.mamba4rec import Mamba4Rec, Mamba4RecT
from tests.golden import golden_files, load
from tests.model import agreement, builders, released_names

SIZES = ("hidden_size", "num_layers", "dropout_prob", "d_state", "d_conv", "expand")
FILES = golden_files("mamba4rec*")


def build(golden: Any, **changes: Any) -> Any:
    model_class = Mamba4RecT if "text_features" in golden.input else Mamba4Rec
    sizes = {name: golden.hyper[name] for name in SIZES}
    return agreement.build(model_class, golden, released_names.mamba4rec, **sizes, **changes)


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", FILES)
def test_agrees_with_the_official_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model = build(golden, num_buckets=buckets)
    loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden))
    agreement.assert_gradients_agree(model, loss, released_names.mamba4rec(golden.grad))


@pytest.mark.parametrize(("fidelity", "survives"), [("repaired", True), ("reference", False)])
def test_step_sizes_start_as_mamba_wants_them(fidelity: str, survives: bool) -> None:
    model = Mamba4Rec(builders.settings("Mamba4Rec", fidelity), builders.dataset(30))
    steps = torch.nn.functional.softplus(model.encoder.layers[0].block.dt_proj.bias)
    inside = bool(((steps > 0.9e-3) & (steps < 0.11)).all())
    assert inside is survives


def test_the_pad_is_no_candidate_and_learns_nothing() -> None:
    model = Mamba4Rec(builders.settings("Mamba4Rec"), builders.dataset(30))
    batch = builders.batch(torch.tensor([[3, 4, 0], [5, 0, 0]]), torch.tensor([2, 1]), torch.tensor([6, 7]))
    model.calculate_loss(batch).backward()
    grad = model.table.embedding.weight.grad
    assert not grad[0].any()
    assert grad[1:].abs().sum() > 0


def test_decay_rates_and_skips_are_not_decayed() -> None:
    model = Mamba4Rec(builders.settings("Mamba4Rec"), builders.dataset(30))
    decayed, exempt = model.parameter_groups(0.1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {id(p) for p in decayed["params"] + exempt["params"]} == names.keys()
    assert not [n for p in decayed["params"] if "scan" in (n := names[id(p)]) or n.endswith("bias")]

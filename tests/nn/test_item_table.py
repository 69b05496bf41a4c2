"""Frozen features stay what they were loaded as; items without a modality say nothing through it."""

import copy

import pytest
import torch

from recbole_mmm4rec.nn.item_table import FrozenFeatures, ModalityTable
from recbole_mmm4rec.nn.parameters import initialise, parameter_groups
from recbole_mmm4rec.nn.scoring import CandidateFusion

PRESENT = torch.tensor([False, True, False, True])


def table(item_bias: bool = False, mask: bool = True) -> ModalityTable:
    torch.manual_seed(0)
    features = {
        "text": FrozenFeatures(torch.randn(4, 3)),
        "image": FrozenFeatures(torch.randn(4, 5) * PRESENT[:, None], PRESENT),
    }
    return ModalityTable(features, 6, item_bias, mask)


def test_no_initialiser_checkpoint_or_copy_touches_features() -> None:
    module = table()
    before = {n: f.matrix.clone() for n, f in module.features.items()}
    initialise(module, std=1.0)
    module.double().float()
    twin = copy.deepcopy(module)
    for name, matrix in before.items():
        torch.testing.assert_close(module.features[name].matrix, matrix)
        assert twin.features[name].matrix.data_ptr() == module.features[name].matrix.data_ptr()
    assert not [k for k in module.state_dict() if "features" in k]
    assert not [p for g in parameter_groups(module, 0.1) for p in g["params"] if p.shape == (4, 3)]
    twin.features["text"].register_buffer("total_ops", torch.zeros(1))
    assert not hasattr(module.features["text"], "total_ops")


@pytest.mark.parametrize("item_bias", [False, True])
def test_rows_of_some_items_are_rows_of_all(item_bias: bool) -> None:
    module = table(item_bias)
    items = torch.tensor([0, 3, 3, 2])
    for name, rows in module(items).items():
        torch.testing.assert_close(rows, module()[name][items])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95, 1.0])
def test_items_without_a_modality_cost_one_product_and_change_nothing(share: float) -> None:
    torch.manual_seed(0)
    present = (torch.rand(40) < share) & (torch.arange(40) > 0)
    frozen = FrozenFeatures(torch.randn(40, 5) * present[:, None], present)
    adapter = torch.nn.Linear(5, 3)
    fast, slow = frozen.through(adapter), adapter(frozen.matrix)
    torch.testing.assert_close(fast, slow)
    grads = [torch.autograd.grad((y**2).sum(), list(adapter.parameters())) for y in (fast, slow)]
    for actual, expected in zip(*grads, strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_pad_that_is_marked_present_shifts_no_row(share: float) -> None:
    torch.manual_seed(0)
    present = torch.rand(40) < share
    present[0] = True
    matrix = torch.randn(40, 5) * (present & (torch.arange(40) > 0))[:, None]
    frozen, adapter = FrozenFeatures(matrix, present), torch.nn.Linear(5, 3)
    torch.testing.assert_close(frozen.through(adapter), adapter(matrix))
    assert not frozen.rows(None)[1][0]
    assert not frozen.rows(torch.tensor([0]))[1].any()
    assert present[0]  # the caller's own tensor stays as it is


def test_missing_modality() -> None:
    masked, constant = table(mask=True), table(mask=False)
    constant.load_state_dict(masked.state_dict())
    assert not masked()["image"][2].any()
    torch.testing.assert_close(constant()["image"][2], constant.adapters["image"].bias)
    scores = CandidateFusion(("text", "image"), 4, 0.5)(masked(), masked.present())
    text = torch.nn.functional.normalize(masked()["text"], dim=-1)
    torch.testing.assert_close(scores[2], text[2] / 0.5)
    fair = CandidateFusion(("text", "image"), 4, 0.5, rescale_missing=True)(masked(), masked.present())
    torch.testing.assert_close(fair[2], 2 * text[2] / 0.5)
    torch.testing.assert_close(fair[1], scores[1])


@pytest.mark.parametrize("fusion", ["static", "dynamic_shared", "dynamic_instance"])
def test_one_product_equals_two(fusion: str) -> None:
    module, u = table(item_bias=True), torch.randn(2, 6)
    layer = CandidateFusion(("text", "image"), 4, 0.8, fusion)
    weights = torch.ones(4, 2)
    if layer.logits is not None:
        layer.logits.data.normal_()
        weights = layer.logits.softmax(-1).expand(4, 2)
    vectors = {n: torch.nn.functional.normalize(v, dim=-1) for n, v in module().items()}
    two = sum((u @ vectors[n].T) * weights[:, k] for k, n in enumerate(vectors)) / 0.8
    torch.testing.assert_close(u @ layer(module(), module.present()).T, two)


def test_unknown_fusion_is_named() -> None:
    with pytest.raises(ValueError, match="item_mm_fusion: 'sum'"):
        CandidateFusion(("text",), 4, 1.0, "sum")


def test_half_precision_features_give_float32_vectors() -> None:
    half = ModalityTable({"text": FrozenFeatures(torch.randn(4, 3).half())}, 6, False, True)
    assert half()["text"].dtype == torch.float32

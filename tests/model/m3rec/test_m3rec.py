"""M3Rec against the released code, and what it repairs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.m3rec import M3Rec
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, released_names

ITEMS, LENGTH = 30, 6
SIZES = ("hidden_size", "num_layers", "dropout_prob", "d_state", "d_conv", "expand")
SMALL = {"hidden_size": 16, "d_state": 4, "MAX_ITEM_LIST_LENGTH": LENGTH}


def in_our_order(golden: Golden) -> Golden:
    """The released user vector is [image; text; id], ours [id; text; image]."""
    image, text, ids = golden.output["user"].chunk(3, 1)
    return replace(golden, output=golden.output | {"user": torch.cat([ids, text, image], 1)})


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("m3rec*"))
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = in_our_order(load(path))
    sizes = {name: golden.hyper[name] for name in SIZES}
    model = agreement.build(M3Rec, golden, released_names.m3rec, num_buckets=buckets, **sizes)
    loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden))
    agreement.assert_gradients_agree(model, loss, released_names.m3rec(golden.grad))


def data(text: bool = True, image: bool = True) -> Any:
    """Half of the items have a picture."""
    return builders.dataset(ITEMS, has_time=False, **builders.half_pictured(ITEMS, text, image))


def make(fidelity: str = "repaired", dataset: Any = None, **changes: Any) -> M3Rec:
    torch.manual_seed(0)
    settings = builders.settings("M3Rec", fidelity, **(SMALL | {"dropout_prob": 0.0} | changes))
    return M3Rec(settings, dataset or data())


def batch(lengths: list[int], width: int | None = None) -> Any:
    return builders.random_batch(lengths, ITEMS, LENGTH, has_time=False, width=width)


def with_gradient(model: M3Rec) -> set[str]:
    model.calculate_loss(batch([2, LENGTH, 3])).backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_gradients_pass_the_blocks_of_every_stream() -> None:
    learning = with_gradient(make())
    assert learning == {name for name, _ in make().named_parameters()}


def test_the_released_code_cuts_them_behind_the_blocks() -> None:
    model = make("reference")
    silent = {name for name, _ in model.named_parameters()} - with_gradient(model)
    cut = [
        f"encoder.{part}{name}."
        for name in ("text", "image")
        for part in ("input_norms.", "layers.0.experts.")
    ]
    assert silent == {name for name, _ in model.named_parameters() if name.startswith(tuple(cut))}


def test_cutting_changes_gradients_alone() -> None:
    data = batch([2, LENGTH, 3])
    assert torch.equal(make().user_vectors(data), make(cut_gradients=True).user_vectors(data))


def test_the_shared_blocks_learn_from_texts_and_pictures() -> None:
    grads = {}
    for cut in (False, True):
        model = make(cut_gradients=cut)
        model.calculate_loss(batch([LENGTH] * 3)).backward()
        grads[cut] = model.encoder.layers[0].shared.block.in_proj.weight.grad
    assert (grads[True] - grads[False]).abs().max() > 1e-3 * grads[False].abs().max()


@pytest.mark.parametrize(("fidelity", "survives"), [("repaired", True), ("reference", False)])
def test_step_sizes_start_as_mamba_wants_them(fidelity: str, survives: bool) -> None:
    bias = make(fidelity).encoder.layers[0].shared.block.dt_proj.bias
    steps = torch.nn.functional.softplus(bias)
    assert bool(((steps > 0.9e-3) & (steps < 0.11)).all()) is survives


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_features_survive_construction(fidelity: str) -> None:
    dataset = data()
    model = make(fidelity, dataset)
    for name, feature in dataset.features.items():
        assert torch.equal(model.table.features[name].matrix, feature.matrix)
        assert torch.equal(model.table.features[name].present, feature.present)
    assert not [name for name in model.state_dict() if "features" in name]


@pytest.mark.parametrize(("missing", "zero"), [("mask", True), ("constant", False)])
def test_an_item_without_a_picture_is_scored_by_the_rest(missing: str, zero: bool) -> None:
    model = make(missing_modality=missing)
    torch.nn.init.ones_(model.table.adapters["image"][2].bias)
    ids, text, image = model.item_matrix().chunk(3, 1)
    assert bool((image[2::2] == 0).all()) is zero
    assert (image[1::2] != 0).any(1).all()
    assert all((part[1:] != 0).any(1).all() for part in (ids, text))
    assert model.calculate_loss(batch([1, LENGTH])).isfinite()


@pytest.mark.parametrize(
    ("dataset", "changes", "streams"),
    [
        (data(image=False), {}, {"id", "text"}),
        (data(text=False), {}, {"id", "image"}),
        (data(), {"item_ids": False}, {"text", "image"}),
        (data(image=False), {"item_ids": False, "num_layers": 1}, {"text"}),
    ],
)
@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_any_of_the_streams_may_be_missing(
    dataset: Any, changes: dict[str, Any], streams: set[str], stage: str
) -> None:
    model = make(dataset=dataset, stage=stage, **changes)
    assert set(model.streams) == streams
    assert model.item_matrix().shape == (ITEMS, 16 * len(streams))
    assert with_gradient(model) == {name for name, _ in model.named_parameters()}


def test_without_any_feature_file_the_error_names_them() -> None:
    with pytest.raises(
        UserError, match=r"M3Rec needs .* neither none\.text\.parquet nor none\.image\.parquet"
    ):
        make(dataset=builders.dataset(ITEMS))


def test_pre_training_touches_only_items_of_the_batch() -> None:
    model, data = make(stage="pretrain"), batch([2, 3])
    model.calculate_loss(data).backward()
    touched = set(model.ids.embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist())
    assert touched == (set(data["item_id_list"].flatten().tolist()) | set(data["item_id"].tolist())) - {0}


def test_scales_weigh_texts_and_pictures_on_both_sides() -> None:
    model, data = make().eval(), batch([2, 3])
    before = model.full_sort_predict(data)
    _, text, _ = model.user_vectors(data).chunk(3, 1)
    _, candidates, _ = model.item_matrix().chunk(3, 1)
    torch.nn.init.constant_(model.scales["text"], 3.0)
    assert_agrees(model.full_sort_predict(data) - before, 8 * text @ candidates.T, "scores", 1e-4)

"""MMM4Rec's savings change nothing, pads and targets never leak, and every switch does what it says."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from tests.golden import assert_agrees
from tests.model import builders, plain_twin

ITEMS, LENGTH = 30, 7
SMALL = {
    "hidden_size": 16,
    "inner_size": 12,
    "head_dim": 8,
    "d_state": 5,
    "n_groups": 2,
    "dropout_prob": 0.0,
    "initializer_range": 0.2,
    "MAX_ITEM_LIST_LENGTH": LENGTH,
}


def make(
    fidelity: str = "repaired", features: tuple[str, ...] = ("text", "image"), **changes: Any
) -> MMM4Rec:
    torch.manual_seed(0)
    widths = {"text": 9, "image": 6}
    every = {name: builders.feature(torch.randn(ITEMS, widths[name])) for name in features}
    if "image" in every:
        present = torch.arange(ITEMS) % 3 == 1
        every["image"] = builders.feature(torch.randn(ITEMS, 6), present)
    config = builders.settings("MMM4Rec", fidelity, **(SMALL | {"time_dropout_prob": 0.0} | changes))
    model = MMM4Rec(config, builders.dataset(ITEMS, **every))
    for bias in model.table.item_bias.values():
        torch.nn.init.normal_(bias)
    if model.score_bias is not None:
        torch.nn.init.normal_(model.score_bias.values)
    return model.eval()


def make_batch(lengths: list[int], seed: int = 0) -> Any:
    return builders.random_batch(lengths, ITEMS, LENGTH, seed=seed)


SWITCHES: list[dict[str, Any]] = [
    {},
    {"fidelity": "reference"},
    {"num_layers": 2},
    {"num_layers": 2, "fidelity": "reference"},
    {"share_alignment": False},
    {"use_time": False},
    {"item_ids": False},
    {"features": ("text",)},
    {"features": ("text",), "share_alignment": False},
    {"features": ("image",), "num_layers": 2},
    {"missing_modality": "rescale", "normalise_candidates": True},
    {"missing_modality": "mask"},
    {"missing_modality": "mask", "item_ids": False},
    {"gap_norm": "fixed"},
    {"d_conv": 1},
    {"d_conv": 6, "fidelity": "reference"},
    {"stage": "pretrain"},
    {"stage": "pretrain", "fidelity": "reference", "item_ids": False},
    {"softmax_chunk": 7},
    {"score_bias": True},
    {"score_bias": True, "fidelity": "reference", "softmax_chunk": 7},
    {"score_bias": True, "stage": "pretrain"},
    {"fidelity": "improved"},
    {"time_branch": "causal"},
    {"time_branch": "causal", "num_layers": 2, "fidelity": "reference", "share_alignment": False},
]


LENGTHS = [[1], [2, 1], [3, 4, 1, 2], [LENGTH, LENGTH], [6, 1, LENGTH, 3, 2]]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_equals_the_plain_twin_in_value_and_gradient(switches: dict[str, Any], lengths: list[int]) -> None:
    model, batch = make(**switches), make_batch(lengths)
    assert_agrees(model.user_vectors(batch), plain_twin.users(model, batch), "users")
    assert_agrees(model.full_sort_predict(batch), plain_twin.scores(model, batch), "scores")
    parameters = list(model.parameters())
    fast, slow = model.calculate_loss(batch), plain_twin.loss(model, batch)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)
    if len(lengths) == 1 and model.pretraining:
        return
    fast_grads = torch.autograd.grad(fast, parameters, allow_unused=True, materialize_grads=True)
    slow_grads = torch.autograd.grad(slow, parameters, allow_unused=True, materialize_grads=True)
    largest = max(g.abs().max() for g in slow_grads)
    for (name, _), actual, expected in zip(model.named_parameters(), fast_grads, slow_grads, strict=True):
        assert (actual - expected).abs().max() <= 1e-4 * largest, name


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_the_batches_of_a_step_share_one_item_table_and_its_gradient(stage: str) -> None:
    model, batches = make(stage=stage), [make_batch([3, LENGTH], 0), make_batch([1, 2, 5], 1)]
    torch.stack([model.calculate_loss(batch) for batch in batches]).sum().backward()
    apart = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    with model.shared_item_table():
        for batch in batches:
            model.calculate_loss(batch).backward()
    for parameter, expected in zip(model.parameters(), apart, strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_pads_and_buckets_never_change_a_user(fidelity: str) -> None:
    model, batch = make(fidelity), make_batch([3, 1, LENGTH, 5])
    expected = model.user_vectors(batch)
    for buckets in (1, 2, 4):
        model.num_buckets = buckets
        assert_agrees(model.user_vectors(batch), expected, "users")
    pads = batch["item_id_list"] == 0
    batch["item_id_list"] = batch["item_id_list"].masked_fill(pads, 5)
    assert_agrees(model.user_vectors(batch), expected, "users")


def test_a_user_does_not_depend_on_the_others_of_the_batch() -> None:
    model, batch = make(), make_batch([3, 1, LENGTH, 5])
    expected = model.user_vectors(batch)
    for row in range(4):
        assert_agrees(model.user_vectors(batch[[row]]), expected[[row]], "user")


def test_the_gaps_reach_the_user_and_only_through_the_time_branch() -> None:
    batch = make_batch([5, 3])
    batch["timestamp_list"] = later = batch["timestamp_list"].clone()
    model = make()
    before = model.user_vectors(batch)
    later[:, 2] += 1e6
    assert (model.user_vectors(batch) - before).abs().max() > 1e-3
    blind = make(use_time=False)
    assert "timestamp_list" not in make_batch([2]).interaction or blind.context(batch) == []


def test_data_without_times_need_no_time_field() -> None:
    torch.manual_seed(0)
    data = builders.dataset(ITEMS, has_time=False, text=builders.feature(torch.randn(ITEMS, 4)))
    model = MMM4Rec(builders.settings("MMM4Rec", **SMALL), data)
    batch = make_batch([2, 4])
    del batch.interaction["timestamp_list"]
    assert torch.isfinite(model.calculate_loss(batch))


def test_no_feature_file_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"none\.text\.parquet"):
        MMM4Rec(builders.settings("MMM4Rec", **SMALL), builders.dataset(ITEMS))


def test_construction_leaves_the_features_alone() -> None:
    matrix = torch.randn(ITEMS, 4)
    data = builders.dataset(ITEMS, text=builders.feature(matrix))
    model = MMM4Rec(builders.settings("MMM4Rec", **SMALL), data)
    torch.testing.assert_close(model.table.features["text"].matrix[1:], matrix[1:])
    assert not any("features" in key for key in model.state_dict())
    twin = copy.deepcopy(model)
    assert twin.table.features["text"].matrix.data_ptr() == model.table.features["text"].matrix.data_ptr()


def test_an_item_without_pictures_is_scored_by_its_text_alone() -> None:
    model, batch = make(item_ids=False, missing_modality="mask"), make_batch([4, 2])
    scores = model.full_sort_predict(batch)
    with torch.no_grad():
        model.table.adapters["image"].bias += 1.0
        blind = model.candidates(model.item_table())
    users = model.user_vectors(batch)
    missing = ~model.table.features["image"].present
    missing[0] = False
    torch.testing.assert_close((users @ blind.T)[:, missing], (users @ model.item_matrix().T)[:, missing])
    assert torch.isfinite(scores).all()


def test_pre_training_touches_only_items_of_the_batch() -> None:
    model, batch = make(stage="pretrain"), make_batch([3, 2])
    model.calculate_loss(batch).backward()
    seen = set(batch["item_id_list"].flatten().tolist()) | set(batch["item_id"].tolist())
    for bias in model.table.item_bias.values():
        touched = set(bias.grad.abs().sum(1).nonzero().flatten().tolist())
        assert touched <= seen


def test_what_the_optimiser_decays() -> None:
    names = {id(p): n for n, p in make().named_parameters()}
    decayed, kept = ([names[id(p)] for p in g["params"]] for g in make_groups(names))
    assert "layers.0.align.in_proj.weight" in decayed
    free = ("a_log", "dt_bias", "bias", "time_layers", "gap_norm")
    assert not [n for n in decayed if "item_bias" not in n and any(part in n for part in free)]
    assert any("a_log" in n for n in kept)


def make_groups(names: dict[int, str]) -> list[dict[str, Any]]:
    model = make()
    groups = model.parameter_groups(0.1)
    by_name = dict(model.named_parameters())
    names |= {id(p): n for n, p in by_name.items()}
    assert [g["weight_decay"] for g in groups] == [0.1, 0.0]
    return groups


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_bfloat16_products_stay_close(fidelity: str) -> None:
    model, batch = make(fidelity), make_batch([3, 1, LENGTH, 5])
    expected: Tensor = model.calculate_loss(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model.calculate_loss(batch)
    low.backward()
    torch.testing.assert_close(low, expected, rtol=3e-2, atol=3e-2)


def test_sizes_of_the_paper() -> None:
    features = {name: builders.feature(torch.zeros(10, 768)) for name in ("text", "image")}
    config = builders.settings("MMM4Rec", "reference", item_ids=False)
    model = MMM4Rec(config, builders.dataset(10, **features))
    assert sum(p.numel() for p in model.parameters()) == 1_999_085


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize("missing", ["constant", "mask", "rescale"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_first_gradients_are_ordinary_where_items_lack_modalities(
    missing: str, item_bias: bool, stage: str, num_layers: int
) -> None:
    torch.manual_seed(0)
    changes = SMALL | {"initializer_range": 0.02, "num_layers": num_layers, "stage": stage}
    config = builders.settings("MMM4Rec", missing_modality=missing, item_ids=item_bias, **changes)
    model = MMM4Rec(config, builders.partly_described()).train()
    model.calculate_loss(make_batch([1, 3, 5, LENGTH, 2, LENGTH, 4, 6])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.abs().max() < 1e3, name


def test_a_history_that_loses_a_modality_is_one_whose_items_lack_it() -> None:
    model, batch = make(modality_dropout=1.0, item_ids=False), make_batch([3, 4, 1, 2, 7, 5, 6, 2])
    without = []
    for name in ("text", "image"):
        lacking = copy.deepcopy(model)
        frozen = lacking.table.features[name]
        frozen.matrix = torch.zeros_like(frozen.matrix)
        without.append(lacking.user_vectors(batch))
    torch.manual_seed(1)
    users = model.train().user_vectors(batch)
    near = torch.stack([torch.isclose(users, other, rtol=1e-4, atol=1e-4).all(1) for other in without])
    assert near.any(0).all()
    assert near.any(1).all()  # both modalities go, each from some


@pytest.mark.parametrize("changes", [{}, {"missing_modality": "mask"}, {"fidelity": "improved"}], ids=str)
def test_the_first_gradients_are_ordinary_where_streams_are_dropped(changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = make(modality_dropout=0.5, initializer_range=0.02, **changes).train()
    model.calculate_loss(make_batch([1, 3, 5, LENGTH, 2, LENGTH, 4, 6])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.abs().max() < 1e3, name


def test_score_biases_rank_and_leave_likeness_alone() -> None:
    model, batch = make(score_bias=True), make_batch([3, 1, 5])
    assert model.score_bias is not None
    plain = model.item_vectors()
    before = model.full_sort_predict(batch)
    with torch.no_grad():
        model.score_bias.values[4] += 1000.0
    after = model.full_sort_predict(batch)
    assert (after.argmax(1) == 4).all()
    others = torch.arange(ITEMS) != 4
    torch.testing.assert_close(after[:, others], before[:, others])
    assert torch.equal(model.item_vectors(), plain)
    torch.testing.assert_close(model.user_vectors(batch) @ model.item_matrix().T, after)

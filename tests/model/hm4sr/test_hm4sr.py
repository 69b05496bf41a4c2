"""HM4SR against the official code, and what it repairs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.hm4sr import HM4SR
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, released_names

ITEMS, LENGTH, CATEGORIES, DAY = 30, 6, 7, 86400.0
SIZES = ("hidden_size", "inner_size", "n_layers", "n_heads")
SMALL = {
    "hidden_size": 16,
    "inner_size": 12,
    "hidden_dropout_prob": 0.0,
    "attn_dropout_prob": 0.0,
    "MAX_ITEM_LIST_LENGTH": LENGTH,
}
LOSSES = {"ce", "idcl", "pcl", "cp"}


def with_categories(dataset: Any, categories: Tensor) -> Any:
    """A dataset whose items have the column ``genre``, given (N + 1, C) of 0 and 1."""
    rows, count = categories.shape
    dataset.item_feat = {"genre": categories.long() * torch.arange(1, count + 1)}
    dataset.num = lambda field: count + 1 if field == "genre" else rows
    return dataset


def settings(golden: Golden) -> dict[str, Any]:
    """The keys that the file's header sets."""
    h = golden.hyper
    longest = 2 ** ((len(golden.param["time_moe.time_embedding.weight"]) - 0.5) / h["interval_scale"]) - 1
    return {name: h[name] for name in SIZES} | {
        "interaction_experts": h["start_expert_num"],
        "interaction_weights": h["initializer_weight"],
        "temporal_experts": h["temporal_expert_num"],
        "gap_buckets": h["interval_scale"],
        "longest_gap": longest,
        "idcl_temperature": h["temperature"],
        "pcl_temperature": h["phcl_temperature"],
        "pcl_weight": h["phcl_weight"],
        "placeholder_share": h["beta"],
        "category_field": "genre",
        "train_temporal_experts": True,
        "MAX_ITEM_LIST_LENGTH": golden.max_len,
    }


def build(golden: Golden, **changes: Any) -> Any:
    i = golden.input
    features = {name: builders.feature(i[f"{name}_features"]) for name in ("text", "image")}
    dataset = with_categories(builders.dataset(golden.rows, **features), i["categories"])
    model = HM4SR(builders.settings("HM4SR", "reference", **(settings(golden) | changes)), dataset)
    model.load_state_dict(released_names.hm4sr(golden.param), strict=True)
    return model.eval()


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("hm4sr*"))
def test_agrees_with_the_official_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model, o = build(golden, num_buckets=buckets), golden.output
    batch = agreement.interaction(golden, "timestamps")
    users = torch.cat([o[f"user_{name}"] for name in ("id", "text", "image")], 1)
    assert_agrees(model.user_vectors(batch), users, "user vectors")
    assert_agrees(model.full_sort_predict(batch), o["scores"], "scores")
    losses = model.losses(batch, golden.input["placeholder_mask"])
    weighted = {name: model.weights.get(name, 1.0) * part for name, part in losses.items()}
    for name, part in weighted.items():
        assert_agrees(part, o["loss_cp_released" if name == "cp" else f"loss_{name}"], name)
    loss = torch.stack(list(weighted.values())).sum()
    assert_agrees(loss, o["loss"], "loss")
    used = {name: grad for name, grad in golden.grad.items() if "absolute_m" not in name}
    agreement.assert_gradients_agree(model, loss, released_names.rename(used, released_names.HM4SR))


@pytest.mark.parametrize("path", golden_files("hm4sr*", "output.stream_id"))
def test_both_stages_of_experts_agree_with_the_official_code(path: Path) -> None:
    golden = load(path)
    model, i, o = build(golden), golden.input, golden.output
    table, times = model.item_table(), model.context(agreement.interaction(golden, "timestamps"))
    streams, moments = model.encoder.mixed({n: v[i["item_seq"]] for n, v in table.items()}, times)
    assert_agrees(moments, o["time_embedding"], "embedded times")
    for name, stream in streams.items():
        assert_agrees(stream, o[f"stream_{name}"], name)


def data(has_time: bool = True, text: bool = True, image: bool = True) -> Any:
    """Half of the items have a picture, a third no category."""
    generator = torch.Generator().manual_seed(6)
    categories = torch.rand(ITEMS, CATEGORIES, generator=generator) < 0.4
    described = builders.dataset(ITEMS, has_time, **builders.half_pictured(ITEMS, text, image))
    return with_categories(described, categories * (torch.arange(ITEMS) % 3 > 0).unsqueeze(1))


def make(fidelity: str = "repaired", dataset: Any = None, **changes: Any) -> HM4SR:
    torch.manual_seed(0)
    settings = builders.settings("HM4SR", fidelity, **(SMALL | {"category_field": "genre"} | changes))
    return HM4SR(settings, dataset or data())


def batch(lengths: list[int], has_time: bool = True, width: int | None = None) -> Any:
    return builders.random_batch(lengths, ITEMS, LENGTH, has_time, width)


def losses(model: HM4SR, interaction: Any) -> dict[str, Tensor]:
    return model.losses(interaction, torch.zeros_like(interaction["item_id_list"], dtype=torch.bool))


def with_gradient(model: HM4SR, interaction: Any) -> set[str]:
    torch.manual_seed(0)
    model.calculate_loss(interaction).backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_every_parameter_learns(stage: str) -> None:
    model = make(stage=stage, interaction_weights=[0.5, 1, 1])
    assert with_gradient(model, batch([2, LENGTH, 5])) == {name for name, _ in model.named_parameters()}


def test_the_released_temporal_experts_do_not_learn() -> None:
    model = make("reference", category_index="item")
    assert not model.encoder.temporal.experts.requires_grad
    assert "encoder.temporal.experts" in model.state_dict()
    grouped = {id(p) for group in model.parameter_groups(0.1) for p in group["params"]}
    assert id(model.encoder.temporal.experts) not in grouped
    assert model.calculate_loss(batch([2, LENGTH])).isfinite()


@pytest.mark.parametrize(("fidelity", "mean", "std"), [("repaired", 1.0, 0.02), ("reference", 0.0, 0.1)])
def test_temporal_experts_start_as_they_should(fidelity: str, mean: float, std: float) -> None:
    experts = make(fidelity, temporal_experts=200).encoder.temporal.experts
    assert abs(experts.mean().item() - mean) < std / 10
    assert abs(experts.std().item() / std - 1) < 0.1


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_experts_gates_placeholders_and_categories_start_as_they_should(fidelity: str) -> None:
    model = make(fidelity, interaction_experts=50)
    parts = [model.encoder.interaction, model.encoder.placeholders, model.categories]
    late = [m for part in parts for m in part.modules() if isinstance(m, torch.nn.Linear)]
    assert len(late) == 1 + 3 + 2 + 1
    for linear in late:  # torch's own: uniform within 1 / sqrt(inputs), whose deviation is that / sqrt(3)
        bound = linear.in_features**-0.5
        std = 0.02 if fidelity == "repaired" else bound / 3**0.5
        assert abs(linear.weight.std().item() / std - 1) < 0.25
        assert bool(linear.bias.any()) is (fidelity == "reference")
    assert abs(model.encoder.temporal.gate.weight.std().item() / 0.02 - 1) < 0.25


# Categories ----------------------------------------------------------------------------------------------


def category_loss_by_hand(model: HM4SR, interaction: Any) -> Tensor:
    vectors, parts = model.item_matrix(), []
    hot = data().item_feat["genre"] > 0
    for history in interaction["item_id_list"]:
        for item in [int(item) for item in history if item and hot[item].any()]:
            logits = model.categories.linear(vectors[item])
            parts.append(F.binary_cross_entropy_with_logits(logits, hot[item].float()))
    return torch.stack(parts).mean()


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
@pytest.mark.parametrize("buckets", [1, 3])
def test_categories_are_predicted_for_the_items_that_have_them(stage: str, buckets: int) -> None:
    model, interaction = make(stage=stage, num_buckets=buckets), batch([2, LENGTH, 4])
    assert_agrees(
        losses(model, interaction)["cp"], category_loss_by_hand(model, interaction), "category loss", 1e-5
    )


def test_the_released_indexing_looks_at_the_first_places_alone() -> None:
    model, interaction = make(category_index="sample"), batch([2, LENGTH, 4])
    released = losses(model, interaction)["cp"]
    interaction["item_id_list"][2, 1] = 1 + interaction["item_id_list"][2, 1] % (ITEMS - 1)
    assert torch.equal(losses(model, interaction)["cp"], released)
    interaction["item_id_list"][0, 1] = 1 + interaction["item_id_list"][0, 1] % (ITEMS - 1)
    assert not torch.equal(losses(model, interaction)["cp"], released)


def test_the_released_indexing_does_not_depend_on_the_width_of_a_batch() -> None:
    model = make("reference")
    assert_agrees(
        losses(model, batch([2, 3]))["cp"], losses(model, batch([2, 3], width=LENGTH))["cp"], "cp", 1e-6
    )


def test_histories_of_items_without_categories_lose_nothing() -> None:
    model = make()
    interaction = builders.batch(
        torch.tensor([[3, 6]]), torch.tensor([2]), torch.tensor([4]), torch.zeros(1, LENGTH)
    )
    assert losses(model, interaction)["cp"].abs() < 1e-12


def test_without_a_category_field_nothing_is_predicted() -> None:
    model = make(category_field=None)
    assert losses(model, batch([2, 3])).keys() == LOSSES - {"cp"}
    assert model.categories is None


def test_category_columns_that_do_not_fit_are_one_clear_line() -> None:
    with pytest.raises(
        UserError, match=r"category_field: genre is not a loaded column .*item: \[item_id, genre\]"
    ):
        make(dataset=builders.dataset(ITEMS, text=data().features["text"]))
    numbers = data()
    numbers.item_feat["genre"] = torch.rand(ITEMS)
    with pytest.raises(UserError, match="category_field: genre holds numbers"):
        make(dataset=numbers)
    few = with_categories(data(), torch.ones(ITEMS, 3))
    with pytest.raises(UserError, match="category_index: sample needs 6 categories, genre has 3"):
        make("reference", few)


def test_a_column_of_single_categories_serves_too() -> None:
    single = data()
    single.item_feat["genre"] = torch.arange(ITEMS) % (CATEGORIES + 1)
    model = make(dataset=single)
    assert not model.categories.categories.matrix[8].any()
    assert model.categories.categories.matrix[9].nonzero().tolist() == [[0]]


def test_categories_stay_behind_with_their_dataset() -> None:
    bound = {name for name in make().state_dict() if name.startswith(HM4SR.item_bound)}
    assert bound == {"ids.embedding.weight", "categories.linear.weight", "categories.linear.bias"}


# Times ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_times_at_pads_never_count(fidelity: str) -> None:
    model, interaction = make(fidelity).eval(), batch([2, LENGTH, 1])
    users = model.user_vectors(interaction)
    assert users.isfinite().all()
    interaction["timestamp_list"] = interaction["timestamp_list"].masked_fill(
        interaction["timestamp_list"] == 0, 7e8
    )
    assert torch.equal(model.user_vectors(interaction), users)


def test_gaps_and_moments_reach_the_user_where_time_is_used() -> None:
    interaction, later = batch([3, LENGTH]), batch([3, LENGTH])
    later["timestamp_list"] = later["timestamp_list"] + 300 * DAY * (later["timestamp_list"] > 0)
    wider = batch([3, LENGTH])
    wider["timestamp_list"][:, 0] -= 2**20
    for use_time, moves in ((True, True), (False, False)):
        model = make(use_time=use_time, initializer_range=0.2).eval()
        users = model.user_vectors(interaction)
        for other in (later, wider):
            assert bool((model.user_vectors(other) - users).abs().max() > 1e-3) is moves


@pytest.mark.parametrize(("fidelity", "near"), [("repaired", True), ("reference", False)])
def test_neighbouring_days_are_near_each_other(fidelity: str, near: bool) -> None:
    model = make(fidelity)
    moments = (torch.tensor([[1.5e9, 1.5e9 + DAY]], dtype=torch.float64) / model.time_unit).float()
    embedded = model.encoder.moments(torch.zeros(1, 2), moments)[0, :, model.hidden_size :]
    assert bool((embedded[0] - embedded[1]).abs().max() < 0.2) is near


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_data_without_times_have_no_second_stage(stage: str) -> None:
    model, interaction = (
        make(dataset=data(has_time=False), stage=stage, interaction_weights=[0.5, 1, 1]),
        batch([3, LENGTH, 4], has_time=False),
    )
    assert model.context(interaction) == []
    assert not [name for name in model.state_dict() if "temporal" in name or "moments" in name]
    silent = {name for name, _ in model.named_parameters()} - with_gradient(model, interaction)
    assert silent == {f"encoder.placeholders.{name}.weight" for name in ("text", "image")}


# Streams and views ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "missing"), [("text", "image"), ("image", "text")])
@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_one_modality_may_be_missing(kept: str, missing: str, stage: str) -> None:
    model = make(dataset=data(**{missing: False}), stage=stage)
    assert model.streams == ("id", kept)
    assert losses(model, batch([1, LENGTH])).keys() == LOSSES
    assert with_gradient(model, batch([1, LENGTH, 5])) >= {
        f"table.adapters.{kept}.weight",
        "ids.embedding.weight",
    }


def test_without_any_feature_file_the_error_names_them() -> None:
    with pytest.raises(
        UserError, match=r"HM4SR needs .* neither none\.text\.parquet nor none\.image\.parquet"
    ):
        make(dataset=builders.dataset(ITEMS))


def test_weights_of_all_streams_are_needed() -> None:
    with pytest.raises(UserError, match=r"interaction_weights: .* for id, text and image"):
        make(interaction_weights=[0, 1])


@pytest.mark.parametrize(("missing", "zero"), [("mask", True), ("constant", False)])
def test_an_item_without_a_picture_is_scored_by_the_rest(missing: str, zero: bool) -> None:
    model = make(missing_modality=missing)
    torch.nn.init.ones_(model.table.adapters["image"].bias)
    ids, text, image = model.item_matrix().chunk(3, 1)
    assert bool((image[2::2] == 0).all()) is zero
    assert all((part[1::2] != 0).any(1).all() for part in (ids, text, image))


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_features_survive_construction(fidelity: str) -> None:
    dataset = data()
    model = make(fidelity, dataset)
    for name, feature in dataset.features.items():
        assert torch.equal(model.table.features[name].matrix, feature.matrix)
    assert torch.equal(model.categories.categories.matrix, dataset.item_feat["genre"] > 0)
    assert not [name for name in model.state_dict() if "features" in name or "matrix" in name]


def test_placeholders_stand_for_texts_and_pictures_alone() -> None:
    model, interaction = make(initializer_range=0.2).eval(), batch([LENGTH, 4])
    hidden = torch.zeros(2, LENGTH, dtype=torch.bool)
    hidden[0, -1] = True  # the position that is read
    table, seq = model.item_table(), interaction["item_id_list"]
    both = model.encode(table, seq, interaction["item_length"], model.context(interaction), hidden)
    users, views = (model._split(part) for part in both.chunk(2, 1))
    assert torch.equal(users["id"], views["id"])
    for name in ("text", "image"):
        assert torch.equal(users[name][1], views[name][1])
        assert (users[name][0] - views[name][0]).abs().max() > 1e-3


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_placeholders_without_times_start_where_their_gradients_are_small(stage: str) -> None:
    """With 1e-12 in the layer norms, from zero they are beyond 1e12 in two layers, and NaN in a few more."""
    longest = {"MAX_ITEM_LIST_LENGTH": 20, "n_layers": 2, "layer_norm_eps": 1e-12}
    model = make(use_time=False, stage=stage, **longest)
    model.calculate_loss(builders.random_batch([1, 2, 4, 20, 20], ITEMS, 20)).backward()
    for layer in model.encoder.placeholders.values():
        assert 0 < layer.bias.grad.abs().max() < 1


def test_losses_without_a_weight_are_not_computed() -> None:
    interaction = batch([2, LENGTH])
    assert losses(make(), interaction).keys() == LOSSES
    alone = make(idcl_weight=0, pcl_weight=0.0, cp_weight=0)
    assert losses(alone, interaction).keys() == {"ce"}
    weighted = make(idcl_weight=2, pcl_weight=0, cp_weight=0.5)
    parts = losses(weighted, interaction)
    assert_agrees(
        weighted.calculate_loss(interaction),
        parts["ce"] + 2 * parts["idcl"] + 0.5 * parts["cp"],
        "loss",
        1e-6,
    )


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
def test_buckets_change_no_loss(stage: str) -> None:
    model, interaction = make(stage=stage).eval(), batch([2, LENGTH, 1, 4, 4])
    results = []
    for buckets in (1, 4):
        model.num_buckets = buckets
        torch.manual_seed(0)
        results.append(model.calculate_loss(interaction))
    assert_agrees(results[1], results[0], "loss", 1e-5)

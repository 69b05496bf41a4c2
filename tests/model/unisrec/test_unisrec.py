"""UniSRec: both kinds of fine-tuning, pre-training, and what moves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from recbole_mmm4rec.model.unisrec import UniSRec
from recbole_mmm4rec.nn.augmentation import drop_items
from recbole_mmm4rec.nn.id_table import look_up
from recbole_mmm4rec.nn.losses import contrastive_loss, full_catalogue_loss
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, released_names

SIZES = ("hidden_size", "inner_size", "n_layers", "n_heads", "n_exps", "temperature")


def build(golden: Golden, **changes: Any) -> Any:
    sizes = {name: golden.hyper[name] for name in SIZES}
    return agreement.build(
        UniSRec,
        golden,
        released_names.unisrec,
        item_ids="item_embedding.weight" in golden.param,
        seq_seq_weight=golden.hyper["lambda"],
        stage="pretrain" if "keep_mask" in golden.input else "finetune",
        **sizes,
        **changes,
    )


def gradients(golden: Golden, of: str = "") -> dict[str, torch.Tensor]:
    """The file's gradients of one loss."""
    named = {n.rpartition("/")[2]: g for n, g in golden.grad.items() if n.rpartition("/")[0] == of}
    return released_names.rename(named, released_names.UNISREC)


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("unisrec*", "output.scores"))
def test_fine_tuning_agrees_with_the_official_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model = build(golden, num_buckets=buckets)
    adapted = model.table.adapted(model.table.text, None)
    assert_agrees(adapted, golden.output["adapted_items"], "adapted items")
    loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden), model.temperature)
    agreement.assert_gradients_agree(model, loss, gradients(golden))


@pytest.mark.parametrize("path", golden_files("unisrec*", "output.loss_noisy"))
def test_noisy_gates_agree_with_the_official_code(path: Path) -> None:
    golden = load(path)
    model, i = build(golden), golden.input
    adaptor, text = model.table.adaptor, i["text_features"]
    history = adaptor(text[i["item_seq"]], i["gate_noise_seq"])
    items = adaptor(text, i["gate_noise_items"])
    if model.table.ids is not None:
        history = history + look_up(model.table.ids(), i["item_seq"])
        items = items + model.table.ids()
    users = F.normalize(model.encoder(history, i["item_seq_len"]), dim=-1)
    loss = full_catalogue_loss(users, model.scaled(items), i["pos_items"], pad_is_candidate=True)
    assert_agrees(loss, golden.output["loss_noisy"], "loss with noise")
    agreement.assert_gradients_agree(model, loss, gradients(golden, "loss_noisy"))


@pytest.mark.parametrize("view", ["itemdrop", "worddrop"])
@pytest.mark.parametrize("path", golden_files("unisrec*", "input.keep_mask"))
def test_pre_training_agrees_with_the_official_code(path: Path, view: str) -> None:
    golden = load(path)
    model, i, o = build(golden), golden.input, golden.output
    vectors = model.table(i["pos_items"])
    users = model.user_vectors(agreement.interaction(golden))
    assert_agrees(users, o["user_normalised"], "user vectors")
    others = model.encoder(model.table.adaptor(o[f"{view}_emb"]), o[f"{view}_len"])
    others = F.normalize(others, dim=-1)
    targets = i["pos_items"]
    seq_item = contrastive_loss(users, model.scaled(vectors), targets, model.mask_equal_items)
    assert_agrees(seq_item, o["loss_seq_item"], "user against item")
    seq_seq = contrastive_loss(users, model.scaled(others), targets, model.mask_equal_items)
    assert_agrees(seq_seq, o[f"loss_seq_seq_{view}"], "user against second view")
    loss = model.contrastive_loss(users, others, vectors, targets)
    assert_agrees(loss, o[f"loss_{view}"], "loss")
    agreement.assert_gradients_agree(model, loss, gradients(golden, f"loss_{view}"))


@pytest.mark.parametrize("path", golden_files("unisrec*", "input.keep_mask"))
def test_views_agree_with_the_official_code(path: Path) -> None:
    i, o = (golden := load(path)).input, golden.output
    keep = i["keep_mask"].bool().clone()
    keep[:, 0] = True
    seq, lengths = drop_items(i["item_seq"], i["item_seq_len"], keep, later_wins=True)
    assert torch.equal(lengths, o["itemdrop_len"])
    assert torch.equal(seq, o["itemdrop_seq"])
    assert torch.equal(o["worddrop_seq"], i["item_seq"])


@pytest.mark.parametrize("path", golden_files("unisrec*", "input.text_features_aug"))
def test_a_whole_step_with_reworded_texts_agrees_with_the_official_code(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    i, o = (golden := load(path)).input, golden.output
    features = {"text": i["text_features"], "text_worddrop": i["text_features_aug"]}
    whole = replace(golden, input=i | {f"{name}_features": matrix for name, matrix in features.items()})
    model, keep = build(whole, item_drop_share=0.0, item_drop_ratio=0.5), i["keep_mask"]
    monkeypatch.setattr(torch, "rand", lambda *size, **_: keep.float() if size[0] else torch.ones(()))
    loss = model.calculate_loss(agreement.interaction(golden))
    assert_agrees(loss, o["loss_worddrop"], "loss")
    agreement.assert_gradients_agree(model, loss, gradients(golden, "loss_worddrop"))


@pytest.mark.parametrize(("fidelity", "reworded"), [("repaired", False), ("reference", True)])
def test_the_first_item_is_reworded_in_the_released_code(fidelity: str, reworded: bool) -> None:
    always = {"item_drop_share": 0.0, "item_drop_ratio": 1.0}
    config = builders.settings("UniSRec", fidelity, stage="pretrain", hidden_size=32, **always)
    model = UniSRec(config, data(text_worddrop=builders.feature(torch.full((30, 12), float("nan")))))
    alone = builders.batch(torch.tensor([[3], [5]]), torch.tensor([1, 1]), torch.tensor([9, 10]))
    assert bool(model.eval().calculate_loss(alone).isnan()) is reworded


def data(**features: Any) -> Any:
    return builders.dataset(30, text=builders.feature(torch.randn(30, 12)), **features)


def batch() -> Any:
    item_seq, lengths = torch.tensor([[3, 4, 0], [5, 6, 7]]), torch.tensor([2, 3])
    return builders.batch(item_seq, lengths, torch.tensor([9, 10]))


def test_pre_training_uses_no_ids_and_reads_reworded_texts() -> None:
    config = builders.settings(
        "UniSRec",
        stage="pretrain",
        modalities=["text", "text_worddrop"],
        item_ids=True,
        hidden_size=32,
        item_drop_share=0.0,
        item_drop_ratio=0.9,
    )
    torch.manual_seed(0)
    model = UniSRec(config, data(text_worddrop=builders.feature(torch.full((30, 12), float("nan"))))).eval()
    assert model.table.ids is None
    assert model.calculate_loss(batch()).isnan()  # the second view is made of the other features
    model.drop_share = 1.0
    assert model.calculate_loss(batch()).isfinite()


def test_gates_are_noisy_in_training_alone() -> None:
    model = UniSRec(builders.settings("UniSRec", hidden_size=32, adaptor_dropout_prob=0.0), data())
    assert not torch.equal(model.table(), model.table())
    model.eval()
    assert torch.equal(model.table(), model.table())


@pytest.mark.parametrize("freeze", [True, False])
def test_what_stays_frozen_after_transfer(freeze: bool) -> None:
    model = UniSRec(builders.settings("UniSRec", freeze_encoder=freeze, item_ids=True), data())
    frozen = {n for n, _ in model.named_parameters() if freeze and n.startswith(model.frozen_after_transfer)}
    assert bool(model.frozen_after_transfer) is freeze
    assert all(n.startswith("encoder.") and "input.layer_norm" not in n for n in frozen)
    assert [n for n in model.state_dict() if n.startswith(model.item_bound)] == ["table.ids.embedding.weight"]


def test_features_survive_construction() -> None:
    features = data()
    model = UniSRec(builders.settings("UniSRec"), features)
    assert torch.equal(model.table.text.matrix, features.features["text"].matrix)

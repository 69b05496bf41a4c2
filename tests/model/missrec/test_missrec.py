"""MISSRec: both stages and all fusions against the official code, and what must hold whatever the numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.missrec import MISSRec
from recbole_mmm4rec.model.missrec.interests import CLUSTERINGS
from recbole_mmm4rec.nn.transformer import SelfAttention
from recbole_mmm4rec.training.checkpoint import describe, write_checkpoint
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, first_values, released_names, released_transformer

RENAMES = [
    (r"^img_adaptor\.", "table.adapters.image."),
    (r"^text_adaptor\.", "table.adapters.text."),
    (r"^item_embedding\.", "ids.embedding."),
    (r"^position_embedding\.", "encoder.input.position."),
    (r"^LayerNorm\.", "encoder.input.layer_norm."),
    (r"^fusion_factor$", "fusion.factor"),
    (r"^trm_model\.(encoder|decoder)\.norm\.", r"encoder.transformer.\1_norm."),
    (r"^trm_model\.encoder\.layers\.", "encoder.transformer.encoder.layers."),
    (r"^trm_model\.decoder\.layers\.", "encoder.transformer.decoder."),
    *released_transformer.RENAMES,
]
SAME = ("hidden_size", "inner_size", "n_heads", "temperature", "seq_mm_fusion", "item_mm_fusion")


def converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return released_transformer.split_projections(released_names.rename(state, RENAMES))


def settings(golden: Golden) -> dict[str, Any]:
    """The keys that the file's header sets."""
    h = golden.hyper
    return {name: h[name] for name in SAME} | {
        "MAX_ITEM_LIST_LENGTH": golden.max_len,
        "stage": "pretrain" if h["train_stage"] == "pretrain" else "finetune",
        "item_ids": h["train_stage"] == "transductive_ft" and h["id_type"] != "none",
        "n_encoder_layers": h["n_layers"] // 2,
        "n_decoder_layers": h["n_layers"] // 2,
        "regulariser_weight": h["gamma"],
        "seq_seq_weight": h["lambda"],
        "interest_ratio": h["interest_ratio"],
        "pretrain_interest_ratio": h["interest_ratio"],
        "seed": 0,
    }


def build(golden: Golden, **changes: Any) -> Any:
    """The model of a golden file, with its interests in place of clusters of its items."""
    i, kind = golden.input, golden.hyper["modal_type"]
    names = [ours for ours, theirs in (("text", "text"), ("image", "img")) if theirs in kind]
    features = {}
    for name in names:
        matrix = i[f"{name}_features"]
        features[name] = builders.feature(matrix, matrix.abs().sum(1) > 0)
    config = builders.settings("MISSRec", "reference", **settings(golden) | changes)
    model = MISSRec(config, builders.dataset(golden.rows, **features)).eval()
    clusters = torch.stack([i[f"{name}_clusters"] for name in names], dim=1)
    own = {"clusters": clusters, "centroids": i["centroids"], "fitted": torch.tensor(True)}
    model.interests.centroids = torch.zeros_like(i["centroids"])
    state = converted(golden.param) | {f"interests.{name}": value for name, value in own.items()}
    if model.ids is None:
        state.pop("ids.embedding.weight", None)
    if model.fusion.factor is None:
        state.pop("fusion.factor", None)
    model.load_state_dict(state, strict=True)
    return model


@pytest.mark.parametrize("path", golden_files("missrec*"))
def test_interests_agree_with_the_official_code(path: Path) -> None:
    golden = load(path)
    model, i = build(golden), golden.input
    assert torch.equal(model.context(agreement.interaction(golden))[0], i["interest_tokens"])
    if "interest_tokens_aug" in i:
        seen = model.seen_in_view(i["item_seq"], i["item_seq_aug"])
        assert torch.equal(model.interests_of(seen), i["interest_tokens_aug"])


@pytest.mark.parametrize("changes", [{}, {"num_buckets": 1}, {"softmax_chunk": 7}])
@pytest.mark.parametrize("path", golden_files("missrec*", "output.scores"))
def test_fine_tuning_agrees_with_the_official_code(path: Path, changes: dict[str, Any]) -> None:
    golden = load(path)
    model, o, data = build(golden, **changes), golden.output, agreement.interaction(golden)
    assert_agrees(model.user_vectors(data), o["user_normalised"], "user vectors")
    scores = model.full_sort_predict(data)
    assert_agrees(scores, o["scores"], "scores")
    assert_agrees(model.predict(data), scores[torch.arange(len(scores)), data["item_id"]], "predict", 1e-5)
    assert (model.item_matrix() is None) is (model.fusion.factor is not None)
    _, penalty = model._users_and_penalty(
        model.item_table(), data["item_id_list"], data["item_length"], model.context(data)
    )
    assert_agrees(penalty, o["regulariser"], "regulariser")
    loss = model.calculate_loss(data)
    assert_agrees(loss, o["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, converted(golden.grad))


@pytest.mark.parametrize("buckets", [1, 4])
@pytest.mark.parametrize("path", golden_files("missrec*", "input.item_seq_aug"))
def test_pre_training_agrees_with_the_official_code(
    path: Path, buckets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = load(path)
    model, i, o = build(golden, num_buckets=buckets), golden.input, golden.output
    data, view = agreement.interaction(golden), (i["item_seq_aug"], i["item_seq_len_aug"])
    losses = model.pretraining_losses(data, *view)
    assert_agrees(losses["item"], o["loss_seq_item"], "user against item")
    assert_agrees(losses["sequence"], o["loss_seq_seq"], "user against second view")
    assert_agrees(losses["regulariser"], o["regulariser"] + o["regulariser_aug"], "regulariser")
    monkeypatch.setattr(model, "_view", lambda interaction: view)
    loss = model.calculate_loss(data)
    assert_agrees(loss, o["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, converted(golden.grad))


# What must hold ------------------------------------------------------------------------------------------

N, data = builders.PARTLY_DESCRIBED, builders.partly_described


def tiny(dataset: Any = None, **changes: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "inner_size": 24, "MAX_ITEM_LIST_LENGTH": 6, "seed": 0}
    model = MISSRec(builders.settings("MISSRec", **sizes | changes), dataset or data())
    if model.fusion.factor is not None:
        torch.nn.init.normal_(model.fusion.factor)
    return model


def batch() -> Any:
    """Histories of length 1 and L; one of items without a picture, one of the item without anything."""
    item_seq = torch.tensor(
        [[28, 0, 0, 0, 0, 0], [3, 4, 5, 6, 7, 8], [1, 1, 0, 0, 0, 0], [1, 12, 27, 0, 0, 0]]
    )
    return builders.batch(item_seq, torch.tensor([1, 6, 2, 3]), torch.tensor([9, 10, 28, 13]))


FUSIONS = [
    (seq, item, ids)
    for seq in ("add", "contextual")
    for item in ("static", "dynamic_shared", "dynamic_instance")
    for ids in (False, True)
]


@pytest.mark.parametrize(("seq", "item", "ids"), FUSIONS)
def test_neither_scores_nor_the_regulariser_depend_on_the_batch(seq: str, item: str, ids: bool) -> None:
    model = tiny(seq_mm_fusion=seq, item_mm_fusion=item, item_ids=ids, num_buckets=1).eval()
    whole, table = batch(), model.item_table()
    together = model.full_sort_predict(whole)
    assert together.isfinite().all()
    summed = 0.0
    for row in range(4):
        length = int(whole["item_length"][row])
        fields = (whole[name][row : row + 1] for name in ("item_length", "item_id"))
        alone = builders.batch(whole["item_id_list"][row : row + 1, :length], *fields)
        assert_agrees(model.full_sort_predict(alone), together[row : row + 1], "scores", 1e-5)
        parts = (alone["item_id_list"], alone["item_length"], model.context(alone))
        summed += model._users_and_penalty(table, *parts)[1].item()
    parts = (whole["item_id_list"], whole["item_length"], model.context(whole))
    assert summed == pytest.approx(model._users_and_penalty(table, *parts)[1].item(), rel=1e-5)


@pytest.mark.parametrize(("seq", "item", "ids"), FUSIONS)
def test_chunks_of_the_softmax_and_predictions_agree(seq: str, item: str, ids: bool) -> None:
    model = tiny(seq_mm_fusion=seq, item_mm_fusion=item, item_ids=ids, regulariser_weight=0.0).eval()
    scores, targets = model.full_sort_predict(batch()), batch()["item_id"]
    assert_agrees(model.predict(batch()), scores[torch.arange(4), targets], "predict", 1e-5)
    expected = F.cross_entropy(scores[:, 1:], targets - 1)
    for chunk in (0, 4):
        model.objective.chunk = chunk
        assert_agrees(model.calculate_loss(batch()), expected, "loss", 1e-5)


def test_static_weights_are_sharpness_zero() -> None:
    static, dynamic = tiny(item_mm_fusion="static").eval(), tiny().eval()
    with torch.no_grad():
        dynamic.fusion.factor.zero_()
    assert_agrees(dynamic.full_sort_predict(batch()), static.full_sort_predict(batch()), "scores", 1e-5)
    product = static.user_vectors(batch()) @ static.item_matrix().T
    assert_agrees(product, static.full_sort_predict(batch()), "products", 1e-6)


@pytest.mark.parametrize("item", ["static", "dynamic_shared"])
def test_a_missing_modality_has_no_weight_in_a_score(item: str) -> None:
    model = tiny(item_mm_fusion=item).eval()
    users, scores = model.user_vectors(batch()), model.full_sort_predict(batch())
    table = model.item_table()
    only_text = users @ F.normalize(table["text"][2:11], dim=-1).T / model.temperature
    assert_agrees(scores[:, 2:11], only_text, "items without a picture", 1e-5)
    only_image = users @ F.normalize(table["image"][26:], dim=-1).T / model.temperature
    assert_agrees(scores[:, 26:], only_image, "items without a text", 1e-5)
    assert (scores[:, 1] == 0).all()


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
@pytest.mark.parametrize("missing", ["text", "image"])
@pytest.mark.parametrize("seq", ["add", "contextual"])
def test_it_learns_with_one_modality(seq: str, missing: str, stage: str) -> None:
    model = tiny(data(missing != "text", missing != "image"), seq_mm_fusion=seq, stage=stage)
    loss = model.calculate_loss(batch())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("item", ["static", "dynamic_shared", "dynamic_instance"])
def test_one_modality_has_nothing_to_weigh(item: str, ids: bool) -> None:
    model = tiny(data(image=False), item_mm_fusion=item, item_ids=ids).eval()
    assert model.fusion.factor is None
    scores = model.full_sort_predict(batch())
    assert_agrees(model.user_vectors(batch()) @ model.item_matrix().T, scores, "scores", 1e-6)


def test_with_one_modality_a_key_selects_the_cosine_of_a_sum() -> None:
    for how in ("mean", "sum"):
        model = tiny(data(image=False), item_ids=True, single_modality_ids=how).eval()
        users, table = model.user_vectors(batch()), model.item_table()
        text, own = table["text"], table["id"]
        directions = F.normalize(text + own, dim=1)
        if how == "mean":
            directions = (F.normalize(text, dim=1) + F.normalize(own, dim=1)) / 2
        scores = model.full_sort_predict(batch())
        assert_agrees(scores, users @ directions.T / model.temperature, how, 1e-5)


@pytest.mark.parametrize("seq", ["add", "contextual"])
def test_a_view_may_show_the_pictures_of_the_original_history(seq: str) -> None:
    """Vectors, interests and which of them exist: as if the view's items had these pictures."""
    changes = {"stage": "pretrain", "seq_mm_fusion": seq, "pretrain_interest_ratio": 0.5}
    model = tiny(view_pictures="original", **changes).eval()
    model.discover_interests()
    for last, first in ((15, 12), (21, 20)):  # an interest has no position: that of the last picture is seen
        model.interests.clusters[last, 1] = model.interests.clusters[first, 1]
    item_seq, lengths = torch.tensor([[12, 13, 14, 15], [20, 5, 21, 0]]), torch.tensor([4, 3])
    view, view_lengths = torch.tensor([[12, 14, 15, 0], [20, 21, 0, 0]]), torch.tensor([3, 2])
    interaction = builders.batch(item_seq, lengths, torch.tensor([16, 17]))
    losses = model.pretraining_losses(interaction, view, view_lengths)

    shown = {15: 14, 14: 13, 21: 5}  # item of the view -> item in its place in the original history
    clusters, swapped = model.interests.clusters.clone(), data()
    image = swapped.features["image"]
    for item, other in shown.items():
        for tensor in (image.matrix, image.present, clusters[:, 1]):
            tensor[item] = tensor[other].clone()
    twin = tiny(swapped, view_pictures="own", **changes).eval()
    twin.interests.centroids = torch.zeros_like(model.interests.centroids)
    twin.load_state_dict(model.state_dict() | {"interests.clusters": clusters})
    others, penalty = twin._users_and_penalty(
        twin.item_table(), view, view_lengths, twin.context({"item_id_list": view})
    )
    users, own_penalty = model._users_and_penalty(
        model.item_table(), item_seq, lengths, model.context(interaction)
    )
    expected = F.cross_entropy(users @ others.T / model.temperature, torch.arange(2))
    assert_agrees(losses["sequence"], expected, "user against second view", 1e-5)
    assert_agrees(losses["regulariser"], penalty + own_penalty, "regulariser", 1e-5)


def test_a_view_has_its_own_pictures_by_default() -> None:
    model = tiny(stage="pretrain", pretrain_interest_ratio=0.5).eval()
    item_seq, lengths = torch.tensor([[12, 5, 14], [20, 21, 9]]), torch.tensor([3, 3])
    view, view_lengths = torch.tensor([[12, 14, 0], [20, 9, 0]]), torch.tensor([2, 2])
    targets = torch.tensor([16, 17])
    losses = model.pretraining_losses(builders.batch(item_seq, lengths, targets), view, view_lengths)
    users = model.user_vectors(builders.batch(item_seq, lengths, targets))
    others = model.user_vectors(builders.batch(view, view_lengths, targets))
    expected = F.cross_entropy(users @ others.T / model.temperature, torch.arange(2))
    assert_agrees(losses["sequence"], expected, "user against second view", 1e-5)


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_first_values_of_adapters_and_attention(fidelity: str) -> None:
    """The released adapters are made after its own start: torch's stays. Its attention keeps Xavier's."""
    config = builders.settings("MISSRec", fidelity, hidden_size=120, MAX_ITEM_LIST_LENGTH=6, seed=0)
    torch.manual_seed(1)
    model = MISSRec(config, data())
    for name, inputs in (("text", 12), ("image", 8)):
        adapter = model.table.adapters[name]
        if fidelity == "repaired":
            first_values.assert_normal(adapter.weight, 0.02)
            assert not adapter.bias.any()
        else:
            first_values.assert_uniform(adapter.weight, inputs**-0.5)
            first_values.assert_uniform(adapter.bias, inputs**-0.5)
    attentions = [m for m in model.modules() if isinstance(m, SelfAttention)]
    assert len(attentions) == 3
    for attention in attentions:
        first_values.assert_attention(attention, xavier=fidelity == "reference")
    drawn = {attention.query.weight[0, 0].item() for attention in attentions}
    assert len(drawn) == 3


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_interests_follow_the_adapters_once_an_epoch(clustering: str) -> None:
    model = tiny(clustering=clustering)
    model.context(batch())  # discovers them where no epoch has begun
    first = model.interests.centroids.clone()
    with torch.no_grad():
        model.table.adapters["text"].weight.mul_(3)
    model.context(batch())
    assert torch.equal(model.interests.centroids, first)
    model.before_epoch(1)
    assert not torch.equal(model.interests.centroids, first)
    assert model.interests.centroids.requires_grad is False


def test_a_loaded_model_has_its_own_interests() -> None:
    model, twin = tiny().eval(), tiny()
    model.before_epoch(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.01
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin.eval().full_sort_predict(batch()), model.full_sort_predict(batch()))


def test_the_number_of_interests_is_a_share_of_what_is_there() -> None:
    vectors = 24 + 19  # texts and pictures
    assert tiny().interests.count == -(-vectors // 2)
    assert tiny(stage="pretrain").interests.count == 1
    assert tiny(missing_modality="constant").interests.count == 29


def test_it_pre_trains_without_ids_and_ids_are_fresh() -> None:
    assert tiny(item_ids=True, stage="pretrain").ids is None
    model = tiny(item_ids=True)
    bound = {n.split(".")[0] for n in model.state_dict() if n.startswith(model.item_bound)}
    assert bound == {"ids", "interests"}
    assert "fusion." in tiny(item_mm_fusion="dynamic_instance").item_bound


@pytest.mark.parametrize("freeze", [True, False])
def test_parameter_efficient_fine_tuning(
    freeze: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tiny(stage="pretrain")
    source.calculate_loss(batch())
    tokens = ["[PAD]", *map(str, range(1, N))]
    content = {"state_dict": source.state_dict(), "optimizer": None, "training": None}
    write_checkpoint(str(tmp_path / "pre.pth"), describe({}, source, tokens) | content)
    target = tiny(item_ids=True, freeze_encoder=freeze)
    with caplog.at_level("INFO"):
        report = load_pretrained(target, str(tmp_path / "pre.pth"), builders.dataset(N))
    assert {n.split(".")[0] for n in report.fresh} == {"ids", "interests"}
    learning = {n for n, p in target.named_parameters() if p.requires_grad}
    expected = {"ids.embedding.weight", "fusion.factor", *(n for n in report.moved if "adapters" in n)}
    expected |= {"encoder.input.layer_norm.weight", "encoder.input.layer_norm.bias"}
    if freeze:
        assert learning == expected
        assert "frozen: encoder" in caplog.text
    else:
        assert learning == {n for n, _ in target.named_parameters()}
    target.calculate_loss(batch()).backward()
    assert {n for n, p in target.named_parameters() if p.grad is not None} == learning


def test_features_survive_construction() -> None:
    dataset = data()
    model = tiny(dataset)
    for name, feature in dataset.features.items():
        assert torch.equal(model.table.features[name].matrix, feature.matrix)


@pytest.mark.parametrize(
    "key",
    [
        *("clustering", "item_mm_fusion", "seq_mm_fusion", "regularised_slots", "view_pictures"),
        *("single_modality_ids", "adapter_start", "attention_start"),
    ],
)
def test_an_unknown_choice_is_one_clear_error(key: str) -> None:
    with pytest.raises(UserError, match=f"{key}: 'other' is not one of "):
        tiny(**{key: "other"})
    with pytest.raises(UserError, match="MISSRec needs a feature file"):
        tiny(data(text=False, image=False))

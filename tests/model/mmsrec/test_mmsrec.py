"""MMSRec: both stages against the official code, and what must hold whatever the numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.mmsrec.masked_items import MaskDraws, mask_items
from recbole_mmm4rec.model.mmsrec.mmsrec import ITEM, MMSRec, appended
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, first_values, released_names, released_transformer

RENAMES = [
    (r"^(input|output)_transform\.vision_", r"\1_transform.image_"),
    (r"^(input|output)_transform\.(text|image)_transform\.", r"encoder.\1s.\2.0."),
    (r"^(input|output)_transform\.(text|image)_layer_norm\.", r"encoder.\1s.\2.1."),
    (r"^embedding\.mask_embeddings\.", "encoder.mask."),
    (r"^embedding\.position_embeddings\.", "encoder.position."),
    (r"^embedding\.layer_norm\.", "encoder.layer_norm."),
    (r"^encoder_blocks\.transform\.norm\.", "encoder.final_norm."),
    (r"^encoder_blocks\.transform\.layers\.", "encoder.stack.layers."),
    *released_transformer.RENAMES,
]


def converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    ours = released_transformer.split_projections(released_names.rename(state, RENAMES))
    ours.pop("embedding.prompt_embeddings.weight", None)  # for another task
    if types := [name for name in ours if "modal_type" in name]:
        image, text = ours.pop(types[0]).split(1)
        ours |= {"encoder.types.image.weight": image, "encoder.types.text.weight": text}
    return ours


def settings(golden: Golden) -> dict[str, Any]:
    """The keys that the file's header sets."""
    h = golden.hyper
    return {
        "MAX_ITEM_LIST_LENGTH": h["max_seq_length"] - 1,
        "hidden_size": h["fusion_embed_dim"],
        "inner_size": h["fusion_feedforward_dim"],
        "n_layers": h["fusion_layers"],
        "n_heads": h["fusion_heads"],
        "temperature": h["contrastive_temperature"],
        "mask_ratio": h["ce_mask_ratio"],
    }


def build(golden: Golden, features: dict[str, Any], **changes: Any) -> Any:
    config = builders.settings("MMSRec", "reference", **settings(golden) | changes)
    model = MMSRec(config, builders.dataset(len(features["text"].matrix), **features))
    model.load_state_dict(converted(golden.param), strict=True)
    return model.eval()


def fine_tuning(golden: Golden, **changes: Any) -> Any:
    i = golden.input
    present = {name: i[f"{name}_mask"].bool() for name in ("text", "image")}
    features = {n: builders.feature(i[f"{n}_features"], there) for n, there in present.items()}
    return build(golden, features, **changes)


def sequences(golden: Golden) -> tuple[Tensor, Tensor]:
    """The file's sequences with their targets, right-padded, as item numbers; their lengths."""
    ids = golden.input["input_ids"]
    lengths = (ids > 0).sum(1)
    rows = [F.pad(row[row > 0] - 2, (0, int((row == 0).sum()))) for row in ids]
    return torch.stack(rows), lengths


def histories(golden: Golden, rows: slice = slice(None)) -> Any:
    items, lengths = (part[rows] for part in sequences(golden))
    targets = items.gather(1, lengths.unsqueeze(1) - 1)
    before = items.scatter(1, lengths.unsqueeze(1) - 1, 0)[:, : int(lengths.max()) - 1]
    return builders.batch(before, lengths - 1, targets.squeeze(1))


def to_right(golden: Golden, left: Tensor) -> Tensor:
    """A left-padded tensor of the file at the places of right-padded sequences."""
    lengths = (golden.input["input_ids"] > 0).sum(1)
    rows = zip(left, lengths.tolist(), strict=True)
    return torch.stack([row.roll(length - len(row)) for row, length in rows])


@pytest.mark.parametrize("changes", [{}, {"num_buckets": 1}, {"item_chunk": 7}])
@pytest.mark.parametrize("path", golden_files("mmsrec*", "output.scores"))
def test_scores_agree_with_the_official_code(path: Path, changes: dict[str, Any]) -> None:
    golden = load(path)
    model, o = fine_tuning(golden, **changes), golden.output
    assert_agrees(model.item_table()[ITEM][1:], o["item_emb"], "candidates")
    data = histories(golden)
    assert_agrees(model.user_vectors(data), F.normalize(o["user"], dim=-1), "user vectors")
    assert_agrees(model.full_sort_predict(data)[:, 1:] * model.temperature, o["scores"], "scores")


@pytest.mark.parametrize("path", golden_files("mmsrec*", "output.scores_short_batch"))
def test_a_key_selects_positions_that_depend_on_the_batch(path: Path) -> None:
    golden = load(path)
    expected = golden.output["scores_short_batch"]
    rows = slice(len(expected))
    released, sound = fine_tuning(golden), fine_tuning(golden, last_position="full")
    short = released.full_sort_predict(histories(golden, rows))[:, 1:] * released.temperature
    assert_agrees(short, expected, "scores of the short batch")
    scores = sound.full_sort_predict(histories(golden, rows))[:, 1:] * sound.temperature
    whole = sound.full_sort_predict(histories(golden))[:, 1:] * sound.temperature
    assert_agrees(scores, whole[rows], "scores whatever the batch", 1e-5)
    longest = [int(sequences(golden)[1][part].max()) for part in (slice(None), rows)]
    if longest[0] == sound.slots:  # the batch fills the positions, so 'full' and 'batch' are the same
        assert_agrees(whole, golden.output["scores"], "scores")
    assert ((short - scores).abs().max() > 0.01) == (longest[1] < sound.slots)


@pytest.mark.parametrize("changes", [{}, {"num_buckets": 1}, {"item_chunk": 9, "softmax_chunk": 9}])
@pytest.mark.parametrize("path", golden_files("mmsrec*", "input.ce_mask"))
def test_the_guessing_loss_agrees_with_the_official_code(path: Path, changes: dict[str, Any]) -> None:
    golden = load(path)
    model, i = fine_tuning(golden, **changes), golden.input
    items, lengths = sequences(golden)
    predicted, restored, replaced = (to_right(golden, i[f"{n}_mask"]) for n in ("ce", "restore", "replace"))
    shown = torch.where(restored, 0.15, torch.where(replaced, 0.05, 0.5))
    draws = MaskDraws(predicted, shown, to_right(golden, i["random_ids"]) - 2)
    seen, masked, wanted = mask_items(items, lengths - 1, draws)
    released = to_right(golden, golden.output["masked_ids"])
    assert torch.equal(torch.where(masked, 1, torch.where(seen > 0, seen + 2, 0)), released)
    assert torch.equal(items[wanted], golden.output["mlm_labels"] + 1)
    loss = model.guessing_loss(items, lengths - 1, draws)
    assert_agrees(loss, golden.output["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, gradients(golden))


def gradients(golden: Golden) -> dict[str, Tensor]:
    return converted(golden.grad)


@pytest.mark.parametrize("changes", [{}, {"num_buckets": 1}, {"contrast_chunk": 4}])
@pytest.mark.parametrize("path", golden_files("mmsrec*", "output.loss_bb"))
def test_pre_training_agrees_with_the_official_code(path: Path, changes: dict[str, Any]) -> None:
    golden = load(path)
    mask, features = golden.input["token_mask"], {}
    for ours, theirs in (("text", "text"), ("image", "vision")):
        there = golden.input.get(f"{theirs}_mask", mask)[mask]
        matrix = F.pad(golden.input[theirs][mask], (0, 0, 1, 0))
        features[ours] = builders.feature(matrix, F.pad(there, (1, 0)))
    model, lengths = build(golden, features, stage="pretrain", **changes), mask.sum(1)
    valid = torch.arange(mask.shape[1]) < lengths.unsqueeze(1)
    items = torch.zeros(mask.shape, dtype=torch.int64).masked_scatter(valid, torch.arange(1, mask.sum() + 1))
    terms = model.contrasts(model.tokens(), items, lengths)
    for ours, theirs in (("image image", "vv"), ("text image", "vt"), ("text text", "tt")):
        assert_agrees(terms[ours], golden.output[f"loss_{theirs}"], ours)
    assert_agrees(terms["text+image text+image"], golden.output["loss_bb"], "both")
    loss = torch.stack(list(terms.values())).mean()
    assert_agrees(loss, golden.output["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, gradients(golden))


# What must hold ------------------------------------------------------------------------------------------

N, data = builders.PARTLY_DESCRIBED, builders.partly_described


def tiny(dataset: Any = None, **changes: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "inner_size": 24, "n_heads": 4, "MAX_ITEM_LIST_LENGTH": 6}
    return MMSRec(builders.settings("MMSRec", **sizes | changes), dataset or data())


def batch() -> Any:
    """Histories of length 1 and L; one of items without a picture, one of the item without anything."""
    item_seq = torch.tensor(
        [[28, 0, 0, 0, 0, 0], [3, 4, 5, 6, 7, 8], [1, 1, 0, 0, 0, 0], [1, 12, 27, 0, 0, 0]]
    )
    return builders.batch(item_seq, torch.tensor([1, 6, 2, 3]), torch.tensor([9, 10, 28, 13]))


def test_a_score_does_not_depend_on_the_other_histories() -> None:
    model, whole = tiny().eval(), batch()
    together = model.full_sort_predict(whole)
    for row in range(4):
        length = int(whole["item_length"][row])
        alone = builders.batch(
            whole["item_id_list"][row : row + 1, :length],
            *(whole[n][row : row + 1] for n in ("item_length", "item_id")),
        )
        assert_agrees(model.full_sort_predict(alone), together[row : row + 1], "scores", 1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_items_in_chunks_are_the_items_at_once_in_value_and_gradient(chunk: int) -> None:
    results = []
    for size in (0, chunk):
        model = tiny(item_chunk=size).eval()
        vectors = model.item_table()[ITEM]
        (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).sum().backward()
        results.append((vectors, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}))
    assert_agrees(results[1][0], results[0][0], "items", 1e-5)
    for name, grad in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_memory_of_items_is_bounded_by_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = tiny(item_chunk=3), []
    forward = model.encoder.stack.forward
    monkeypatch.setattr(
        model.encoder.stack, "forward", lambda x, *a: (sizes.append(len(x)), forward(x, *a))[1]
    )
    model.item_table()[ITEM].sum().backward()
    assert max(sizes) == 3
    assert sum(sizes) == 2 * (N - 2)  # forward and once more backward; neither the pad nor item 1


def test_an_evaluation_encodes_the_items_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = tiny().eval(), []
    items = model.encoder.items
    monkeypatch.setattr(model.encoder, "items", lambda *a: (calls.append(1), items(*a))[1])
    with torch.no_grad(), model.shared_item_table():
        first = model.user_vectors(batch()) @ model.item_matrix().T
        assert_agrees(model.full_sort_predict(batch()), first, "scores", 1e-6)
    assert len(calls) == 1


def test_an_item_without_anything_scores_nothing_and_says_nothing() -> None:
    model = tiny().eval()
    scores = model.full_sort_predict(batch())
    assert (scores[:, 1] == 0).all()
    assert scores.isfinite().all()
    without = builders.batch(torch.tensor([[2, 3]]), torch.tensor([2]), torch.tensor([9]))
    with_it = builders.batch(torch.tensor([[2, 1, 3]]), torch.tensor([3]), torch.tensor([9]))
    with torch.no_grad():
        model.encoder.position.weight.zero_()  # the gap that it leaves is all there is of it
    assert_agrees(model.user_vectors(with_it), model.user_vectors(without), "user vector", 1e-5)


def test_a_zero_feature_is_no_missing_one() -> None:
    there, dataset = torch.arange(N) > 0, data()
    dataset.features["image"] = builders.feature(dataset.features["image"].matrix, there)
    assert not torch.allclose(tiny(dataset).eval().item_table()[ITEM][5], tiny().eval().item_table()[ITEM][5])


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
@pytest.mark.parametrize("missing", ["text", "image", "pictures of this batch"])
def test_it_learns_with_one_modality(missing: str, stage: str) -> None:
    dataset = data(missing != "text", missing != "image")
    if missing == "pictures of this batch":
        dataset.features["image"].present[:29] = False
    model = tiny(dataset, stage=stage)
    torch.manual_seed(0)
    loss = model.calculate_loss(batch())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_pre_training_terms_are_those_of_the_modalities_present() -> None:
    sequences, lengths = torch.tensor([[2, 3, 4], [5, 6, 0]]), torch.tensor([3, 2])
    model = tiny(stage="pretrain").eval()
    assert list(model.contrasts(model.tokens(), sequences, lengths)) == ["text text", "text+image text+image"]
    alone = tiny(data(image=False), stage="pretrain").eval()
    assert list(alone.contrasts(alone.tokens(), sequences, lengths)) == ["text text"]
    nobody = builders.batch(torch.tensor([[1]]), torch.tensor([1]), torch.tensor([1]))
    assert model.calculate_loss(nobody) == 0


def test_two_views_differ_by_their_dropout_alone() -> None:
    sequences, lengths = torch.tensor([[12, 13, 14], [15, 16, 17]]), torch.tensor([3, 3])
    model = tiny(stage="pretrain")
    model.eval()
    fixed = model.contrasts(model.tokens(), sequences, lengths)["text text"]
    model.train()
    assert model.contrasts(model.tokens(), sequences, lengths)["text text"] > fixed


def test_the_same_item_is_no_negative_of_itself() -> None:
    sequences, lengths = torch.tensor([[12, 12, 12]]), torch.tensor([3])
    losses, gradients = [], []
    for mask_equal in (True, False):
        model = tiny(stage="pretrain", mask_equal_items=mask_equal).eval()
        loss = model.contrasts(model.tokens(), sequences, lengths)["text text"]
        loss.backward()
        losses.append(loss.item())
        gradients.append(max(p.grad.abs().max().item() for p in model.parameters() if p.grad is not None))
    assert losses[1] > 1
    assert abs(losses[0]) <= 1e-4 * losses[1]  # nothing but rounding
    assert gradients[0] <= 1e-4 * gradients[1]


@pytest.mark.parametrize("name", ["text image", "text text", "image image", "text+image text+image"])
def test_items_that_lack_a_modality_may_stay_in_the_contrast_as_a_constant(name: str) -> None:
    sequences, lengths = torch.tensor([[12, 3, 14, 1], [27, 16, 0, 0]]), torch.tensor([4, 2])
    model = tiny(stage="pretrain", contrast_absent="constant", mask_equal_items=False).eval()
    table, first, items = model.tokens(), model.first_positions(lengths), sequences[sequences > 0]
    sides = []
    for kind in name.split(" "):
        names = tuple(kind.split("+"))
        vectors = model.states(table, sequences, first, names=names)[sequences > 0]
        there = sum(model.features[n].present[items].long() for n in names) > 0
        assert 0 < int(there.sum()) < len(items)
        sides.append(F.normalize(torch.where(there.unsqueeze(1), vectors, -1.0), dim=1))
    scores = sides[0] @ sides[1].T / model.temperature
    expected = F.cross_entropy(scores, torch.arange(6)) + F.cross_entropy(scores.T, torch.arange(6))
    assert_agrees(model.contrasts(table, sequences, lengths)[name], expected, name, 1e-5, floor=1.0)


@pytest.mark.parametrize("fidelity", ["repaired", "reference"])
def test_first_values_of_attention(fidelity: str) -> None:
    """The released layers are copies of one, of which all but queries, keys and values is drawn anew."""
    config = builders.settings("MMSRec", fidelity, hidden_size=120, MAX_ITEM_LIST_LENGTH=6)
    torch.manual_seed(1)
    layers = MMSRec(config, data()).encoder.stack.layers
    for layer in layers:
        first_values.assert_attention(layer.attention, xavier=fidelity == "reference")
    one, other = (layer.attention for layer in layers)
    assert torch.equal(one.query.weight, other.query.weight) is (fidelity == "reference")
    assert not torch.equal(one.out.weight, other.out.weight)


def test_positions_stay_behind_unless_they_are_to_move() -> None:
    model = tiny()
    bound = [n for n in model.state_dict() if model.item_bound and n.startswith(model.item_bound)]
    assert bound == ["encoder.position.weight"]
    assert "history_length" not in model.transfer_signature()
    moving = tiny(move_positions=True)
    assert moving.item_bound == ()
    assert moving.transfer_signature()["history_length"] == 6
    assert model.frozen_after_transfer == ()


def test_features_survive_construction() -> None:
    dataset = data()
    model = tiny(dataset)
    for name, feature in dataset.features.items():
        assert torch.equal(model.features[name].matrix, feature.matrix)


def test_without_any_feature_file_it_says_so_in_one_line() -> None:
    with pytest.raises(UserError, match=r"neither none\.text\.parquet nor none\.image\.parquet"):
        tiny(data(text=False, image=False))
    with pytest.raises(UserError, match="last_position: 'other' is not one of full, batch"):
        tiny(last_position="other")
    with pytest.raises(UserError, match="contrast_absent: 'other' is not one of leave_out, constant"):
        tiny(contrast_absent="other")


def test_targets_come_after_their_histories() -> None:
    joined = appended(torch.tensor([[3, 0], [4, 5]]), torch.tensor([1, 2]), torch.tensor([8, 9]))
    assert joined.tolist() == [[3, 8, 0], [4, 5, 9]]

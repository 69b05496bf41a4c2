"""S3-Rec with text features: both stages against the UniSRec repository's, and what was repaired."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.s3rect.s3rect import LOSSES, S3RecT
from recbole_mmm4rec.model.s3rect.self_supervision import Views, attribute_loss
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, released_names


def build(golden: Golden, **changes: Any) -> Any:
    stated, names = golden.meta.get("loss_weights", {}), [f"{name}_weight" for name in LOSSES]
    sizes = agreement.transformer_sizes(golden) | {name: stated[name] for name in names if name in stated}
    return agreement.build(S3RecT, golden, released_names.s3rec, **sizes, **changes)


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("s3rec*", "output.scores"))
def test_fine_tuning_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model = build(golden, num_buckets=buckets)
    loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden))
    agreement.assert_gradients_agree(model, loss, released_names.s3rec(golden.grad))


def right_padded(seq: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.cat([row[row > 0], row[row == 0]]) for row in seq])


def released_views(golden: Golden) -> tuple[Views, torch.Tensor]:
    """The file's draws, padded on the right as the data layer does."""
    i = golden.input
    names = ["masked_item_seq", "pos_items", "neg_items"]
    names += ["masked_segment_seq", "pos_segment", "neg_segment"]
    return Views(*(right_padded(i[name]) for name in names)), (i["item_seq"] > 0).sum(1)


def saturating_loss(states: Tensor, items: Tensor, attributes: Tensor) -> Tensor:
    """What the released code makes of :func:`attribute_loss`: a sigmoid that rounds to 1 costs 100."""
    wanted = F.one_hot(items, len(attributes)).float()
    return F.binary_cross_entropy((states @ attributes.T).sigmoid(), wanted, reduction="sum")


Parts = tuple[Tensor, Tensor, Tensor]


def attribute_parts(model: Any, views: Views, lengths: Tensor, targets: Tensor) -> dict[str, Parts]:
    """Arguments of :func:`attribute_loss` for both of its losses, whose items ``targets`` names."""
    states, place, _ = model._hidden(model.table.with_mask(), views.masked, lengths)
    attributes = torch.relu(model.attributes()["text"])
    where = {"map": place == model.n_items, "aap": (place > 0) & (place != model.n_items)}
    return {n: (model.heads[n](states[at]), targets[at], attributes) for n, at in where.items()}


def as_released(parts: Parts) -> Tensor:
    """Ours; or its twin with the released rounding where that matters, and ours is right.

    ``1 - sigmoid`` has lost three digits at a score of 10 and all of them at 16.6.
    """
    saturates = (parts[0] @ parts[2].T).max() > 10
    return (saturating_loss if saturates else attribute_loss)(*parts)


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("s3rec*", "output.loss_aligned"))
def test_pre_training_agrees_with_the_released_code_where_targets_are_aligned(
    path: Path, buckets: int
) -> None:
    golden = load(path)
    model, o = build(golden, stage="pretrain", num_buckets=buckets), golden.output
    views, lengths = released_views(golden)
    states, _, _ = model._hidden(model.table.with_mask(), views.masked, lengths)
    assert_agrees(states, o["sequence_output"], "states")
    losses, items = model.pretraining_losses(views, lengths), model._placed(views.positive, lengths)[0]
    for name, parts in attribute_parts(model, views, lengths, items).items():
        assert_agrees(losses[name], attribute_loss(*parts), name, 1e-5)
        losses[name] = as_released(parts)
    expected = {"mip": "mip", "sp": "sp", "aap": "aap_aligned", "map": "map_aligned"}
    for name, released in expected.items():
        assert_agrees(losses[name], o[f"loss_{released}"], name)
    loss = sum(model.weights[name] * value for name, value in losses.items())
    assert_agrees(loss, o["loss_aligned"], "loss")


@pytest.mark.parametrize("path", golden_files("s3rec*", "input.targets_released"))
def test_the_parts_agree_with_the_released_code_on_its_misaligned_targets(path: Path) -> None:
    golden = load(path)
    model, i, o = build(golden, stage="pretrain"), golden.input, golden.output
    views, lengths = released_views(golden)
    losses = model.pretraining_losses(views, lengths)
    for name, parts in attribute_parts(model, views, lengths, i["targets_released"].argmax(-1)).items():
        losses[name] = as_released(parts)
        assert_agrees(losses[name], o[f"loss_{name}"], name)
    loss = sum(model.weights[name] * value for name, value in losses.items())
    assert_agrees(loss, o["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, released_names.s3rec(golden.grad))


def test_scores_that_saturate_a_sigmoid_are_exact() -> None:
    states, attributes = torch.tensor([[30.0], [-30.0]]), torch.tensor([[0.0], [1.0], [2.0]])
    items = torch.tensor([1, 1])
    exact = F.binary_cross_entropy_with_logits(
        states.double() @ attributes.double().T, F.one_hot(items, 3).double(), reduction="sum"
    )
    assert_agrees(attribute_loss(states, items, attributes).double(), exact, "loss", 1e-6)
    assert saturating_loss(states, items, attributes) > exact + 30


def data(items: int = 30) -> Any:
    return builders.dataset(items, text=builders.feature(torch.randn(items, 12)))


def batch() -> Any:
    item_seq, lengths = torch.tensor([[3, 4, 0, 0], [5, 6, 7, 8], [2, 0, 0, 0]]), torch.tensor([2, 4, 1])
    return builders.batch(item_seq, lengths, torch.tensor([9, 10, 11]))


@pytest.mark.parametrize("padding", ["left", "right"])
def test_pre_training_runs_and_reaches_every_part(padding: str) -> None:
    torch.manual_seed(1)
    config = builders.settings(
        "S3RecT", stage="pretrain", hidden_size=32, pretrain_padding=padding, MAX_ITEM_LIST_LENGTH=5
    )
    model = S3RecT(config, data())
    model.calculate_loss(batch()).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_a_history_does_not_depend_on_its_pads() -> None:
    config = builders.settings("S3RecT", stage="pretrain", hidden_size=32, MAX_ITEM_LIST_LENGTH=8)
    model, lengths = S3RecT(config, data()).eval(), torch.tensor([2])
    table = model.table.with_mask()
    narrow = model._last(table, torch.tensor([[3, 4]]), lengths)
    wide = model._last(table, torch.tensor([[3, 4, 0, 0, 0]]), lengths)
    assert torch.allclose(narrow, wide, atol=1e-6)


def test_fine_tuning_needs_no_text_and_scores_no_mask_token() -> None:
    model = S3RecT(builders.settings("S3RecT", hidden_size=32), builders.dataset(30)).eval()
    assert model.full_sort_predict(batch()).shape == (3, 30)
    model.calculate_loss(batch()).backward()
    assert model.table.mask.weight.grad is None


def test_pre_training_without_text_is_one_clear_error() -> None:
    with pytest.raises(UserError, match=r"none\.text\.parquet"):
        S3RecT(builders.settings("S3RecT", stage="pretrain"), builders.dataset(30))


def test_the_held_out_items_stay_out_of_pre_training() -> None:
    assert builders.settings("S3RecT")["hold_out"] is True


def test_only_ids_are_bound_to_a_dataset() -> None:
    model = S3RecT(builders.settings("S3RecT", stage="pretrain", hidden_size=32), data())
    bound = [name for name in model.state_dict() if name.startswith(model.item_bound)]
    assert bound == ["table.embedding.weight"]

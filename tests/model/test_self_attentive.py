"""The self-attentive encoder against SASRec, and its text variants."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.self_attentive import SASRecT, SelfAttentiveRecommender, ZESRec
from tests.golden import golden_files, load
from tests.model import agreement, builders, released_names


class SASRecT_(SelfAttentiveRecommender):  # noqa: N801  (its properties are looked up by name)
    """SASRec itself, from our parts."""


SASRecT_.__name__ = "SASRecT"


def build(golden: Any, model_class: type, **changes: Any) -> Any:
    sizes = agreement.transformer_sizes(golden)
    return agreement.build(
        model_class, golden, lambda s: released_names.rename(s, released_names.SASREC), **sizes, **changes
    )


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("sasrec*"))
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    for model_class in [SASRecT, ZESRec] if "_t" in golden.name else [SASRecT_]:
        model = build(golden, model_class, num_buckets=buckets)
        loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden))
        grads = released_names.rename(golden.grad, released_names.SASREC)
        agreement.assert_gradients_agree(model, loss, grads)


def batch() -> Any:
    item_seq, lengths = torch.tensor([[3, 4, 0], [5, 6, 7]]), torch.tensor([2, 3])
    return builders.batch(item_seq, lengths, torch.tensor([9, 10]))


@pytest.mark.parametrize("model_class", [SASRecT, ZESRec])
def test_features_survive_construction(model_class: type) -> None:
    text = torch.randn(30, 12)
    config = builders.settings(model_class.__name__, hidden_size=32, n_heads=2)
    model = model_class(config, builders.dataset(30, text=builders.feature(text)))
    kept = model.table.features["text"].matrix
    assert torch.equal(kept[1:], text[1:])
    assert not [name for name in model.state_dict() if "features" in name]


def test_without_text_the_error_names_the_file() -> None:
    with pytest.raises(UserError, match=r"none\.text\.parquet"):
        SASRecT(builders.settings("SASRecT"), builders.dataset(30))


@pytest.mark.parametrize("how", ["mask", "constant"])
def test_items_without_text(how: str) -> None:
    present = torch.arange(30) > 9
    data = builders.dataset(30, text=builders.feature(torch.randn(30, 12), present))
    model = SASRecT(builders.settings("SASRecT", missing_modality=how, hidden_size=32, n_heads=2), data)
    with torch.no_grad():
        model.table.adapters["text"].bias.fill_(1.0)
    scores = model.eval().full_sort_predict(batch())
    assert torch.equal(scores[:, 1:9], torch.zeros(2, 8)) is (how == "mask")


def test_zesrec_offsets_are_bound_to_their_items_and_pretraining_uses_the_batch() -> None:
    data = builders.dataset(30, text=builders.feature(torch.randn(30, 12)))
    sizes = {"hidden_size": 32, "n_heads": 2, "item_ids": True, "stage": "pretrain"}
    model = ZESRec(builders.settings("ZESRec", **sizes), data)
    bound = [name for name in model.state_dict() if name.startswith(model.item_bound)]
    assert bound == ["table.item_bias.text"]
    loss = model.eval().calculate_loss(batch())
    users, items = model.user_vectors(batch()), model.item_matrix()[torch.tensor([9, 10])]
    expected = torch.nn.functional.cross_entropy(users @ items.T, torch.arange(2))
    assert torch.allclose(loss, expected, atol=1e-6)

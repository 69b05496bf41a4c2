"""Predicting categories: by item, and as the released code indexes them."""

import torch
from torch.nn import functional as F

from recbole_mmm4rec.model.hm4sr.categories import CategoryHead

CATEGORIES = torch.tensor([[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]])


def head() -> CategoryHead:
    torch.manual_seed(0)
    return CategoryHead(CATEGORIES, 4)


def test_items_count_as_often_as_they_stand_somewhere() -> None:
    layer, vectors = head(), torch.randn(5, 4)
    places = [1, 1, 3, 4]
    parts = [
        F.binary_cross_entropy_with_logits(layer.linear(vectors[n]), CATEGORIES[n].float()) for n in places
    ]
    loss = layer(vectors, torch.tensor([0, 2, 5, 1, 1]))  # item 2 has no category
    torch.testing.assert_close(loss, torch.stack(parts).mean())


def test_some_items_give_what_all_give() -> None:
    layer, vectors, items = head(), torch.randn(5, 4), torch.tensor([0, 3, 4])
    some = layer(vectors[items], torch.tensor([0, 2, 1]), items)
    torch.testing.assert_close(some, layer(vectors, torch.tensor([0, 0, 0, 2, 1])))


def test_nothing_known_is_no_loss() -> None:
    layer = head()
    loss = layer(torch.randn(5, 4), torch.tensor([0, 0, 3, 0, 0]))
    assert loss.abs() < 1e-12
    loss.backward()
    assert layer.linear.weight.grad is not None
    assert layer.linear.weight.grad.isfinite().all()


def test_the_released_indexing_reads_place_and_category() -> None:
    layer, vectors, items = head(), torch.randn(2, 4), torch.tensor([1, 4])
    places = torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1])
    every = F.binary_cross_entropy_with_logits(
        layer.linear(vectors), CATEGORIES[items].float(), reduction="none"
    )
    expected = (every[0, 0] + every[0, 2] + every[1, 1]) / 3
    torch.testing.assert_close(layer.misindexed(vectors, items, places), expected)


def test_categories_are_in_no_checkpoint() -> None:
    assert set(head().state_dict()) == {"linear.weight", "linear.bias"}

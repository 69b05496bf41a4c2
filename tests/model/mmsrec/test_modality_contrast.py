"""MMSRec's contrasts against cross-entropies one direction at a time."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.model.mmsrec.modality_contrast import (
    Kind,
    modality_contrasts,
    symmetric_contrast,
    view_pairs,
)
from recbole_mmm4rec.nn.losses import in_batch_loss

ITEMS = torch.tensor([1, 2, 1, 3, 3, 3, 4])


@pytest.mark.parametrize("mask_equal", [False, True])
@pytest.mark.parametrize("chunk", [0, 1, 2, 3, 100])
def test_both_directions_at_once(chunk: int, mask_equal: bool) -> None:
    torch.manual_seed(0)
    pair = [torch.randn(7, 4).requires_grad_() for _ in range(2)]
    fast = symmetric_contrast(*pair, ITEMS, mask_equal, chunk)
    slow = in_batch_loss(*pair, ITEMS, mask_equal) + in_batch_loss(*pair[::-1], ITEMS, mask_equal)
    torch.testing.assert_close(fast, slow)
    for a, b in zip(torch.autograd.grad(fast, pair), torch.autograd.grad(slow, pair), strict=True):
        torch.testing.assert_close(a, b)


def test_a_batch_of_one_item_has_no_negatives() -> None:
    a = torch.randn(4, 3).requires_grad_()
    loss = symmetric_contrast(a, torch.randn(4, 3), torch.ones(4, dtype=torch.int64), chunk=2)
    loss.backward()
    assert loss.abs() < 1e-5
    assert a.grad is not None
    assert a.grad.abs().max() < 1e-5


def test_pairs_of_views() -> None:
    assert view_pairs(("text",)) == [(("text",), ("text",))]
    assert [len(one) + len(other) for one, other in view_pairs(("text", "image"))] == [2, 2, 2, 4]


def test_what_an_item_lacks_is_in_no_term() -> None:
    torch.manual_seed(0)
    drawn: dict[Kind, list[Tensor]] = {}

    def view(kind: Kind) -> Tensor:
        drawn.setdefault(kind, []).append(torch.randn(7, 4))
        return drawn[kind][-1]

    present = torch.tensor([[1, 0], [1, 1], [1, 1], [0, 0], [0, 1], [1, 0], [1, 0]]).bool()
    terms = modality_contrasts(view, ("text", "image"), present, torch.arange(7), 0.5)
    assert {kind: len(views) for kind, views in drawn.items()} == {
        ("text",): 2,
        ("image",): 2,
        ("text", "image"): 2,
    }
    expected = {
        "text text": (("text",), ("text",), [0, 1, 2, 5, 6]),
        "image image": (("image",), ("image",), [1, 2, 4]),
        "text image": (("text",), ("image",), [1, 2]),
        "text+image text+image": (("text", "image"), ("text", "image"), [0, 1, 2, 4, 5, 6]),
    }
    assert terms.keys() == expected.keys()
    for name, (one, other, rows) in expected.items():
        a, b = F.normalize(drawn[one][0][rows], dim=1), F.normalize(drawn[other][1][rows], dim=1)
        torch.testing.assert_close(terms[name], symmetric_contrast(a, b / 0.5, torch.arange(len(rows))))
    assert not modality_contrasts(view, ("text",), present[3:4, :1], torch.arange(1), 0.5)
    drawn.clear()
    kept = modality_contrasts(view, ("text", "image"), present, torch.arange(7), 0.5, keep_absent=True)
    a, b = F.normalize(drawn["text",][0], dim=1), F.normalize(drawn["image",][1], dim=1)
    torch.testing.assert_close(kept["text image"], symmetric_contrast(a, b / 0.5, torch.arange(7)))

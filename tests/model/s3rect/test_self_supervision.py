"""S3-Rec's draws and losses."""

import pytest
import torch
from torch.nn import functional as F

from recbole_mmm4rec.model.s3rect.self_supervision import (
    agreement_loss,
    attribute_loss,
    draw_segments,
    draw_views,
    other_items,
)

N = 40


def histories(rows: int = 300, width: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    lengths = torch.randint(1, width + 1, (rows,))
    return torch.randint(1, N, (rows, width)) * (torch.arange(width) < lengths.unsqueeze(1)), lengths


def test_masked_views_differ_from_the_history_at_the_masks_alone() -> None:
    item_seq, lengths = histories()
    views = draw_views(item_seq, lengths, N, 0.3)
    masked = views.masked == N
    assert torch.equal(views.masked.where(~masked, item_seq), item_seq)
    assert not masked[item_seq == 0].any()
    share = masked.sum() / (item_seq > 0).sum()
    assert 0.25 < share < 0.35
    assert torch.equal(views.negative[~masked], item_seq[~masked])
    assert (views.negative[masked] != item_seq[masked]).all()
    assert ((views.negative[masked] > 0) & (views.negative[masked] < N)).all()


def test_segments_are_cut_from_one_place_and_filled_from_another() -> None:
    item_seq, lengths = histories()
    views = draw_views(item_seq, lengths, N, 0.3)
    for row, length in enumerate(lengths.tolist()):
        history = item_seq[row, :length].tolist()
        around = views.masked_segment[row, :length].tolist()
        inside = views.positive_segment[row, :length].tolist()
        other = views.negative_segment[row, :length].tolist()
        if length == 1:
            assert around == inside == other == history
            continue
        cut = [place for place, item in enumerate(around) if item == N]
        assert 1 <= len(cut) <= length // 2
        assert cut == list(range(cut[0], cut[0] + len(cut)))
        assert [inside[place] for place in cut] == [history[place] for place in cut]
        assert all(inside[place] == N and other[place] == N for place in range(length) if place not in cut)
        assert all(0 < other[place] < N for place in cut)
    pads = item_seq == 0
    for view in (views.masked_segment, views.positive_segment, views.negative_segment):
        assert (view[pads] == 0).all()


def test_segments_reach_every_place() -> None:
    inside, start = draw_segments(torch.full((2000,), 6), 6)
    assert inside.any(0).all()
    assert start.min() == 0
    assert inside.sum(1).unique().tolist() == [1, 2, 3]


@pytest.mark.parametrize("n_items", [3, 5])
def test_another_item_is_drawn_from_all_others(n_items: int) -> None:
    item_seq = torch.ones(2000, 1, dtype=torch.int64)
    assert other_items(item_seq, n_items).unique().tolist() == list(range(2, n_items))


def test_attribute_loss_is_the_binary_cross_entropy_against_one_hot_rows() -> None:
    states, attributes = torch.randn(6, 5), torch.randn(N, 5)
    items = torch.randint(0, N, (6,))
    scores, target = states @ attributes.T, F.one_hot(items, N).float()
    expected = F.binary_cross_entropy(scores.sigmoid(), target, reduction="sum")
    torch.testing.assert_close(attribute_loss(states, items, attributes), expected, rtol=1e-4, atol=1e-3)
    assert attribute_loss(states[:0], items[:0], attributes).abs() < 1e-12


@pytest.mark.parametrize("chunk", [1, 7, N, N + 1])
def test_attribute_loss_in_chunks_is_the_same(chunk: int) -> None:
    items = torch.randint(0, N, (6,))
    results = []
    for size in (0, chunk):
        torch.manual_seed(0)
        states, attributes = (torch.randn(n, 5, requires_grad=True) for n in (6, N))
        loss = attribute_loss(states, items, attributes, size)
        results.append((loss, *torch.autograd.grad(loss, (states, attributes))))
    torch.testing.assert_close(results[0], results[1])


def test_agreement_loss_as_it_is_written() -> None:
    s, p, n = torch.randn(3, 4, 5).unbind()
    expected = -((s * p).sum(1).sigmoid() - (s * n).sum(1).sigmoid()).sigmoid().log().sum()
    torch.testing.assert_close(agreement_loss(s, p, n), expected)

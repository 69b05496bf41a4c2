"""What a masked model sees and what it has to guess."""

import torch

from recbole_mmm4rec.model.mmsrec.masked_items import draw_masks, mask_items


def test_targets_are_never_seen_and_every_item_can_stand_in() -> None:
    items = torch.randint(1, 5, (4000, 6))
    items[::2, 4:] = 0
    last = (items > 0).sum(1) - 1
    seen, masked, wanted = mask_items(items, last, draw_masks(items, 5, 0.5))
    rows = torch.arange(len(items))
    assert masked[rows, last].all()
    assert wanted[rows, last].all()
    assert not (wanted & (items == 0)).any()
    inner = wanted.clone()
    inner[rows, last] = False
    assert 0.47 < inner.sum() / ((items > 0).sum() - len(items)) < 0.53
    assert 0.77 < masked[inner].float().mean() < 0.83
    changed = seen[inner & ~masked] != items[inner & ~masked]
    assert 0.3 < changed.float().mean() < 0.45  # half of them random, of which a quarter hits the item itself
    assert set(seen[inner & ~masked].tolist()) == {1, 2, 3, 4}

"""Dropout of a whole modality."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.nn.stream_dropout import StreamDropout

STAND_INS = {
    "text": torch.tensor([1.0, 2.0]),
    "image": torch.tensor([3.0, 4.0]),
    "audio": torch.tensor([5.0, 6]),
}


def streams(*names: str, rows: int = 2000) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(rows, 3, 2, generator=generator) for name in names}


@pytest.mark.parametrize("names", [("text", "image"), ("text", "image", "audio")])
def test_a_share_of_the_histories_loses_one_stream_as_a_whole(names: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    given = streams(*names)
    left = StreamDropout(0.3).train()(given, STAND_INS.__getitem__)
    gone = []
    for name in names:
        replaced = (left[name] == STAND_INS[name]).flatten(1)
        kept = (left[name] == given[name]).flatten(1)
        assert torch.equal(replaced.all(1), ~kept.all(1))  # a stream is there or not, never in part
        gone.append(replaced.all(1))
    counts = torch.stack(gone).sum(0)
    assert counts.max() == 1
    assert abs(counts.float().mean() - 0.3) < 0.05
    for one in gone:
        assert abs(one.float().mean() - 0.3 / len(names)) < 0.04


@pytest.mark.parametrize(("p", "training", "names"), [(0.0, True, 2), (0.9, False, 2), (0.9, True, 1)])
def test_nothing_is_drawn_where_nothing_can_go(p: float, training: bool, names: int) -> None:
    given = streams(*["text", "image"][:names], rows=5)
    before = torch.get_rng_state()
    left = StreamDropout(p).train(training)(given, STAND_INS.__getitem__)
    assert all(left[name] is given[name] for name in given)
    assert torch.equal(torch.get_rng_state(), before)

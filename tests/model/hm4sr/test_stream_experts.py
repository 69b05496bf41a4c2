"""Both stages of HM4SR's experts against loops over experts and streams."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.hm4sr.stream_experts import InteractionExperts, TemporalExperts
from recbole_mmm4rec.nn.parameters import parameter_groups

WIDTH, EXPERTS = 4, 3


def streams_of(*names: str) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {name: torch.randn(2, 5, WIDTH) for name in names}


@pytest.mark.parametrize("names", [("id", "text", "image"), ("id", "text")])
def test_interaction_experts(names: tuple[str, ...]) -> None:
    streams = streams_of(*names)
    layer = InteractionExperts({name: 0.5 + place for place, name in enumerate(names)}, WIDTH, EXPERTS)
    mixed, size = layer(streams), WIDTH * len(names)
    together = torch.cat(list(streams.values()), -1)
    for place, (name, x) in enumerate(streams.items()):
        gate, added = layer.gates[name](x).softmax(-1), torch.zeros_like(x)
        for expert in range(EXPERTS):
            rows = slice(expert * size, (expert + 1) * size)
            said = together @ layer.experts.weight[rows].T + layer.experts.bias[rows]
            added = added + gate[..., expert, None] * said[..., place * WIDTH : (place + 1) * WIDTH]
        torch.testing.assert_close(mixed[name], x + (0.5 + place) * added)


def test_a_weight_of_zero_adds_nothing_yet_learns() -> None:
    streams = streams_of("id", "text")
    layer = InteractionExperts({"id": 0.0, "text": 1.0}, WIDTH, EXPERTS)
    mixed = layer(streams)
    assert torch.equal(mixed["id"], streams["id"])
    mixed["id"].square().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad[0] != 0


def test_temporal_experts() -> None:
    streams, times = streams_of("id", "text"), torch.randn(2, 5, 6)
    layer = TemporalExperts(2 * WIDTH, 6, EXPERTS)
    scaled, route = layer(streams, times), layer.gate(times).softmax(-1)
    for place, (name, x) in enumerate(streams.items()):
        expected = torch.zeros_like(x)
        for expert in range(EXPERTS):
            part = layer.experts[expert, place * WIDTH : (place + 1) * WIDTH]
            expected = expected + route[..., expert, None] * (x * part)
        torch.testing.assert_close(scaled[name], expected)


def test_temporal_experts_start_around_one_and_are_not_decayed() -> None:
    layer = TemporalExperts(200, 6, EXPERTS)
    assert (layer.experts - 1).abs().max() < 0.2
    assert not torch.equal(layer.experts[0], layer.experts[1])
    decayed, exempt = parameter_groups(layer, 0.1)
    assert not decayed["params"]
    assert len(exempt["params"]) == 3
    assert not TemporalExperts(8, 6, EXPERTS, trained=False).experts.requires_grad

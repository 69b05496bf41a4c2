"""Adapters that are drawn anew: likeness is kept, nothing is learnt, evaluation stands still."""

import torch
from torch.nn import functional as F

from recbole_mmm4rec.nn.drawn_adapter import DrawnLinear
from recbole_mmm4rec.nn.parameters import initialise, parameter_groups


def adapter(inputs: int = 30, width: int = 20) -> DrawnLinear:
    torch.manual_seed(0)
    drawn = DrawnLinear(inputs, width)
    initialise(drawn, std=0.02)
    return drawn


def test_every_use_in_training_is_another_map_of_the_same_size() -> None:
    drawn, features = adapter(300, 200).train(), torch.randn(4, 300)
    first, second = drawn(features), drawn(features)
    assert not torch.isclose(first, second).any()
    for made in (first, second):
        torch.testing.assert_close(made.std(), drawn.eval()(features).std(), rtol=0.2, atol=0)
        drawn.train()


def test_a_seed_gives_the_same_maps() -> None:
    drawn, features = adapter().train(), torch.randn(4, 30)
    made = []
    for _ in range(2):
        torch.manual_seed(7)
        made.append(torch.stack([drawn(features), drawn(features)]))
    assert torch.equal(*made)


def test_outside_of_training_it_is_the_map_of_the_start() -> None:
    drawn, features = adapter().eval(), torch.randn(4, 30)
    torch.testing.assert_close(drawn(features), features @ drawn.start.weight.T)
    drawn.train()(features)
    torch.testing.assert_close(drawn.eval()(features), features @ drawn.start.weight.T)


def test_nothing_is_learnt_but_gradients_reach_the_features() -> None:
    drawn, features = adapter().train(), torch.randn(4, 30, requires_grad=True)
    drawn(features).square().sum().backward()
    assert features.grad is not None
    assert all(parameter.grad is None for parameter in drawn.parameters())
    assert not [p for group in parameter_groups(drawn, 0.1) for p in group["params"]]
    assert set(drawn.state_dict()) == {"start.weight", "start.bias"}


def test_what_is_alike_stays_alike() -> None:
    drawn, features = adapter(50, 2000).train(), torch.randn(6, 50)
    likeness = F.cosine_similarity(features[:, None], features[None], dim=-1)
    made = drawn(features)
    torch.testing.assert_close(
        F.cosine_similarity(made[:, None], made[None], dim=-1), likeness, rtol=0, atol=0.15
    )


def test_a_bias_is_drawn_where_there_is_one() -> None:
    drawn, nothing = adapter().train(), torch.zeros(1, 30)
    assert not drawn(nothing).any()
    torch.nn.init.normal_(drawn.bias, std=0.02)
    assert drawn(nothing).all()
    assert not torch.isclose(drawn(nothing), drawn(nothing)).any()

"""Optimisers without PyTorch's compiler: the same numbers, states and hooks."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training.optimisers import LEARNERS, make_optimiser, uncompiled

SPARSE = "sparse_adam"


def _network(sparse: bool) -> nn.Embedding:
    torch.manual_seed(1)
    return nn.Embedding(7, 3, sparse=sparse)


def _train(network: nn.Embedding, optimiser: torch.optim.Optimizer, steps: int) -> Tensor:
    for step in range(steps):
        optimiser.zero_grad()
        (network(torch.tensor([step % 7, 2])) ** 2).sum().backward()
        optimiser.step()
    return network.weight.detach().clone()


@pytest.mark.parametrize("learner", LEARNERS)
def test_numbers_and_states_are_those_of_pytorch(learner: str) -> None:
    sparse = learner == SPARSE
    options: dict[str, Any] = {"lr": 0.1} | ({} if sparse else {"weight_decay": 0.2})
    ours, theirs = _network(sparse), _network(sparse)
    a = make_optimiser(learner, ours.parameters(), 0.1, 0.0 if sparse else 0.2)
    b = LEARNERS[learner](theirs.parameters(), **options)
    assert torch.equal(_train(ours, a, 5), _train(theirs, b, 5))
    torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)
    a.load_state_dict(deepcopy(b.state_dict()))  # PyTorch would share the tensors
    assert torch.equal(_train(ours, a, 3), _train(theirs, b, 3))
    assert a.param_groups[0].keys() == b.param_groups[0].keys()


def test_a_step_calls_its_hooks_and_records_no_gradient() -> None:
    network, calls = _network(False), []
    optimiser = make_optimiser("nadam", network.parameters(), 0.1, 0.0)
    optimiser.register_step_pre_hook(lambda *_: calls.append("before"))
    optimiser.register_step_post_hook(lambda *_: calls.append("after"))
    _train(network, optimiser, 1)
    assert calls == ["before", "after"]
    assert network.weight.is_leaf
    assert not optimiser.state[network.weight]["exp_avg"].requires_grad


def test_pytorchs_own_class_stays_as_it_is() -> None:
    before = torch.optim.Adam.add_param_group, torch.optim.Adam.zero_grad
    assert issubclass(uncompiled("adam"), torch.optim.Adam)
    assert (torch.optim.Adam.add_param_group, torch.optim.Adam.zero_grad) == before


def test_an_unknown_learner_and_a_decay_that_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match="learner: 'lion' is not one of adam, "):
        make_optimiser("lion", [], 0.1, 0.0)
    make_optimiser(SPARSE, _network(True).parameters(), 0.1, 0.2)
    assert "weight_decay: 0.2 is left out" in caplog.text

"""The mixture of experts against a loop over rows and experts."""

import pytest
import torch
from torch.nn import functional as F

from recbole_mmm4rec.model.unisrec.moe_adaptor import MoEAdaptor


def adaptor(inputs: int, width: int, experts: int, dropout: float = 0.0) -> MoEAdaptor:
    torch.manual_seed(0)
    module = MoEAdaptor(inputs, width, experts, dropout)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("sizes", [(5, 3, 4), (1, 1, 1), (7, 2, 2)])
@pytest.mark.parametrize("noisy", [True, False])
def test_agrees_with_its_plain_twin(sizes: tuple[int, int, int], noisy: bool) -> None:
    module = adaptor(*sizes).eval()
    x, noise = torch.randn(6, sizes[0]), torch.randn(6, sizes[2]) * noisy
    for row, vector in enumerate(x):
        spread = F.softplus(vector @ module.gate_noise) + 0.01
        weights = (vector @ module.gate + noise[row] * spread).softmax(-1)
        parts = [module.maps[k](vector - module.shift[k]) * weights[k] for k in range(sizes[2])]
        expected = torch.stack(parts).sum(0)
        torch.testing.assert_close(module(x, noise)[row], expected, rtol=1e-4, atol=1e-5)


def test_gates_start_equal_and_noisy() -> None:
    module, x = MoEAdaptor(5, 3, 4, 0.0), torch.randn(6, 5)
    assert not torch.equal(module(x), module(x))
    module.eval()
    mean = torch.stack([linear(x) for linear in module.maps]).mean(0)
    torch.testing.assert_close(module(x), mean)


def test_every_expert_gets_a_gradient() -> None:
    module = adaptor(5, 3, 4, dropout=0.2)
    module(torch.randn(6, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in module.parameters())

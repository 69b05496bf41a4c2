"""Maps and norms that look back only, against the same layer over every prefix by itself."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.causal import LEAST_VARIANCE, CausalLinear, RunningNorm
from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.time_aware import GapNorm, TimeGate, TimeScale, TimeSettings

LENGTH = 6
VALUES = {torch.float32: {"rtol": 1e-5, "atol": 1e-5}, torch.float64: {"rtol": 1e-10, "atol": 1e-10}}
each_dtype = pytest.mark.parametrize("dtype", VALUES, ids=str)


def same_with_gradients(fast: Tensor, slow: Tensor, wanted: list[Tensor]) -> None:
    """Values, and gradients of an uneven sum of them."""
    close = VALUES[fast.dtype]
    torch.testing.assert_close(fast, slow, **close)
    uneven = torch.linspace(-1, 2, fast.numel(), dtype=fast.dtype).view_as(fast)
    found, expected = (torch.autograd.grad((out * uneven).sum(), wanted) for out in (fast, slow))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e2 * close["rtol"], atol=1e2 * close["atol"])


@each_dtype
@pytest.mark.parametrize("length", [1, 2, LENGTH])
def test_a_running_norm_is_the_layer_norm_of_each_prefix(length: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    norm = RunningNorm(length).to(dtype)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(3, 2, length, dtype=dtype).mul(5).add(9).requires_grad_()
    x.data[0] = 4.0  # one value all along
    x.data[1, :, 1:] = 0.0
    last = [F.layer_norm(x[..., : t + 1], (t + 1,), eps=LEAST_VARIANCE)[..., -1] for t in range(length)]
    slow = torch.stack(last, dim=-1) * norm.weight + norm.bias
    same_with_gradients(norm(x), slow, [x, norm.weight, norm.bias])


def test_raw_seconds_keep_their_variance() -> None:
    seconds = torch.tensor([[1.5e9, 1.5e9 + 86400, 1.5e9 + 172800]])
    out = RunningNorm(3)(seconds)
    torch.testing.assert_close(out, torch.tensor([[0.0, 1.0, 1.2247]]), rtol=0, atol=0.01)


@each_dtype
@pytest.mark.parametrize("length", [1, 2, LENGTH])
def test_a_causal_map_is_the_map_of_each_prefix(length: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, length, dtype=dtype, requires_grad=True)
    for rows in {1, length}:
        layer = CausalLinear(length, rows).to(dtype)
        slow = torch.zeros(3, 2, length, dtype=dtype)
        for t in range(length):
            row = t if rows > 1 else 0
            for s in range(t + 1):
                slow[..., t] = slow[..., t] + layer.weight[row, s] * x[..., s]
            slow[..., t] = slow[..., t] + layer.bias[row]
        same_with_gradients(layer(x), slow, [x, layer.weight, layer.bias])


@pytest.mark.parametrize("per_history", [True, False])
@pytest.mark.parametrize("pointwise", [True, False])
def test_what_comes_later_never_reaches_a_position(pointwise: bool, per_history: bool) -> None:
    torch.manual_seed(0)
    settings = TimeSettings(LENGTH, heads=2, edge=True, pointwise_gate=pointwise, causal=True)
    norm, scale, gate = GapNorm(settings, per_history), TimeScale(settings), TimeGate(settings)

    def outputs(gaps: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        d = norm(gaps, valid)
        return (e := scale(d)), gate(d, e, valid)

    gaps = torch.rand(1, LENGTH)
    before = outputs(gaps, None)
    for position in range(1, LENGTH):
        later = gaps.clone()
        later[:, position:] += 7
        for found, expected in zip(outputs(later, None), before, strict=True):
            assert torch.equal(found[..., :position], expected[..., :position])
            assert not torch.equal(found[..., position:], expected[..., position:])
        valid = valid_positions(torch.tensor([position]), LENGTH)
        cut, gated = outputs(gaps * valid, valid)
        torch.testing.assert_close(cut[..., :position], before[0][..., :position])
        torch.testing.assert_close(gated[..., :position], before[1][..., :position])
        assert not gated[..., position:].any()

"""The step sizes of a time-aware block."""

import re

import pytest
import torch

from recbole_mmm4rec.nn.tissd import LEAST_STEP, SSDSettings, TiSSD, bounded_below

LENGTH = 7


def block(bias_outside: bool, bias: float) -> TiSSD:
    """A block whose step bias is ``bias`` everywhere."""
    torch.manual_seed(0)
    settings = SSDSettings(16, head_dim=8, d_state=4, n_groups=2, bias_outside=bias_outside, length=LENGTH)
    made = TiSSD(settings)
    torch.nn.init.constant_(made.dt_bias, bias)
    return made


@pytest.mark.parametrize("bias", [-2.0, -50.0, -1000.0])
@pytest.mark.parametrize("bias_outside", [True, False])
def test_steps_are_positive_and_outputs_finite_whatever_the_bias(bias_outside: bool, bias: float) -> None:
    tissd, x = block(bias_outside, bias), 3 * torch.randn(5, LENGTH, 16)
    raw = torch.linspace(-30, 30, 5 * LENGTH * 4).view(5, LENGTH, 4)
    for scale in (None, torch.randn(5, LENGTH, 4)):
        assert (tissd._steps(raw, scale) > 0).all()
        y = tissd(x, x, x, scale)
        assert y.isfinite().all()
    y.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in tissd.parameters() if p.grad is not None)


def test_steps_above_the_least_are_those_of_the_equation() -> None:
    raw, bias = torch.randn(3, LENGTH, 4), 0.3
    expected = torch.nn.functional.softplus(raw) + bias
    assert torch.equal(block(True, bias)._steps(raw, None), expected)


def test_the_bound_is_smooth_and_leaves_a_gradient() -> None:
    steps = torch.tensor([-3.0, 0.0, 0.999, 1.0, 1.001, 400.0], dtype=torch.float64) * LEAST_STEP
    steps.requires_grad_()
    bounded = bounded_below(steps)
    assert (bounded.diff() > 0).all()
    assert torch.equal(bounded[3:], steps[3:])
    (slope,) = torch.autograd.grad(bounded.sum(), steps)
    torch.testing.assert_close(slope[2:], torch.ones(4, dtype=torch.float64), rtol=3e-3, atol=0)
    assert (slope > 0).all()


@pytest.mark.parametrize(
    "sizes", [{"width": 128, "n_groups": 8}, {"width": 36, "head_dim": 64}, {"expand": 1}]
)
def test_sizes_that_do_not_divide_are_told_with_ones_that_do(sizes: dict[str, int]) -> None:
    given = {"width": 256, "head_dim": 64, "d_state": 4, "n_groups": 8, **sizes}
    with pytest.raises(ValueError, match="these fit: head_dim ") as caught:
        SSDSettings(**given)
    found = re.search(r"head_dim (\d+), n_groups (\d+)$", str(caught.value))
    assert found
    SSDSettings(**given | {"head_dim": int(found[1]), "n_groups": int(found[2])})

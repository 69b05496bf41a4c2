"""Both forms of state-space duality against the recurrence that defines them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.nn.ssd import ssd, ssd_linear, ssd_quadratic
from tests.golden import assert_agrees, assert_gradients_agree, golden_files, load


def recurrence(x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    heads, groups = x.shape[2], b.shape[2]
    b, c = (t.repeat_interleave(heads // groups, dim=2) for t in (b, c))
    state = x.new_zeros(x.shape[0], heads, b.shape[3], x.shape[3])
    outputs = []
    for step in range(x.shape[1]):
        decay = (dt[:, step] * a).exp()[..., None, None]
        written = b[:, step].unsqueeze(-1) * (dt[:, step].unsqueeze(-1) * x[:, step]).unsqueeze(-2)
        state = decay * state + written
        outputs.append((c[:, step].unsqueeze(-2) @ state).squeeze(-2))
    return torch.stack(outputs, 1)


def inputs(length: int, groups: int, batch: int = 3, heads: int = 4) -> list[Tensor]:
    torch.manual_seed(length + groups)
    return [
        torch.randn(batch, length, heads, 6),
        torch.rand(batch, length, heads) * 2,
        -torch.rand(heads) * 16,
        torch.randn(batch, length, groups, 5),
        torch.randn(batch, length, groups, 5),
    ]


@pytest.mark.parametrize("form", [ssd_quadratic, lambda *args: ssd_linear(*args, chunk=8), ssd])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 19, 20, 33])
def test_equals_the_recurrence_in_value_and_gradient(
    form: Callable[..., Tensor], groups: int, length: int
) -> None:
    arguments = [t.requires_grad_() for t in inputs(length, groups)]
    twins = [t.detach().double().requires_grad_() for t in arguments]
    fast, slow = form(*arguments), recurrence(*twins)
    assert_agrees(fast.double(), slow, "outputs", 1e-5)
    cotangent = torch.randn_like(slow)
    grads = torch.autograd.grad(fast, arguments, cotangent.float())
    for actual, expected in zip(grads, torch.autograd.grad(slow, twins, cotangent), strict=True):
        assert_agrees(actual.double(), expected, "gradient", 2e-5)


def test_long_histories_take_the_linear_form_and_agree() -> None:
    arguments = inputs(300, 2)
    assert_agrees(ssd(*arguments), recurrence(*arguments), "outputs", 1e-5)


@pytest.mark.parametrize("form", [ssd_quadratic, lambda *args: ssd_linear(*args, chunk=8)])
def test_what_is_forgotten_makes_no_denormals(form: Callable[..., Tensor]) -> None:
    """Decays of e^-50 to e^-200 between neighbours: in float32 they and their products would be denormal."""
    x, dt, a, b, c = inputs(20, 2)
    dt = torch.linspace(50, 200, dt.numel()).view_as(dt) / -a
    arguments = [t.requires_grad_() for t in (x, dt, a, b, c)]
    twins = [t.detach().double().requires_grad_() for t in arguments]
    fast, slow = form(*arguments), recurrence(*twins)
    assert_agrees(fast.double(), slow, "outputs", 1e-5)
    cotangent = torch.zeros_like(slow)
    cotangent[:, ::5] = 1e-6 * torch.randn_like(cotangent[:, ::5])  # of the size of a mean's over a batch
    grads = torch.autograd.grad(fast, arguments, cotangent.float())
    for actual, expected in zip(grads, torch.autograd.grad(slow, twins, cotangent), strict=True):
        assert not ((actual != 0) & (actual.abs() < torch.finfo(torch.float32).tiny)).any()
        assert_agrees(actual.double(), expected, "gradient", 2e-5)


def test_outputs_at_chosen_positions() -> None:
    x, dt, a, b, c = inputs(9, 2)
    at = torch.tensor([[0, 0, 5], [1, 2, 3], [6, 7, 8]])
    everywhere = ssd_quadratic(x, dt, a, b, c)
    c_at = c.gather(1, at[..., None, None].expand(-1, -1, *c.shape[2:]))
    chosen = ssd_quadratic(x, dt, a, b, c_at, at)
    for row in range(3):
        torch.testing.assert_close(chosen[row], everywhere[row, at[row]])


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 2, 7, 20])
def test_one_position_is_read_as_the_recurrence_has_it(groups: int, length: int) -> None:
    arguments = [t.requires_grad_() for t in inputs(length, groups, batch=5)]
    twins = [t.detach().double().requires_grad_() for t in arguments]
    at, rows = torch.tensor([0, length - 1, length // 2, length // 3, 0]), torch.arange(5)
    *rest, c = arguments
    fast = ssd(*rest, c[rows, at].unsqueeze(1), at.unsqueeze(1))
    slow = recurrence(*twins)[rows, at].unsqueeze(1)
    assert_agrees(fast.double(), slow, "outputs", 1e-5)
    cotangent = torch.randn_like(slow)
    grads = torch.autograd.grad(fast, arguments, cotangent.float())
    for actual, expected in zip(grads, torch.autograd.grad(slow, twins, cotangent), strict=True):
        assert_agrees(actual.double(), expected, "gradient", 2e-5)


@pytest.mark.parametrize("path", golden_files("scan-*", "input.dt"))
def test_agrees_with_the_published_scan(path: Path) -> None:
    golden = load(path)
    named = {name: value.clone().requires_grad_() for name, value in golden.input.items()}
    dt = torch.nn.functional.softplus(named["dt"] + named["dt_bias"])
    y = ssd(named["x"], dt, named["A"], named["B"], named["C"])
    skip = named["D"].unsqueeze(-1) * named["x"]
    assert_agrees(y + skip, golden.output["y"], "y")
    if "y_port" in golden.output:
        assert_agrees(y + skip * dt.unsqueeze(-1), golden.output["y_port"], "y_port")
    if golden.grad:
        ((y + skip) * golden.input["cotangent"]).sum().backward()
        assert_gradients_agree({name: leaf.grad for name, leaf in named.items()}, golden.grad)

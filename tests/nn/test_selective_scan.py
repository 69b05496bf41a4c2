"""The selective scan: published numbers, its plain twin, gradients, the optional kernel's layout."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn import selective_scan as module
from recbole_mmm4rec.nn.selective_scan import selective_scan, selective_scan_plain
from tests.golden import assert_agrees, assert_gradients_agree, golden_files, load

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def inputs(batch: int, length: int, inner: int, state: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    u, dt = normal(batch, length, inner), F.softplus(normal(batch, length, inner) - 2)
    return [u, dt, -normal(inner, state).exp(), normal(batch, length, state), normal(batch, length, state)]


def leaves(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.clone().requires_grad_() for tensor in tensors]


@pytest.mark.parametrize("form", ["plain", "slabs"])
@pytest.mark.parametrize("path", golden_files("scan-*", "input.delta"))
def test_agrees_with_the_published_scan(path: Path, form: str) -> None:
    golden = load(path)
    named = {name: value.clone().requires_grad_() for name, value in golden.input.items()}
    u, delta, b, c, z = (named[name].transpose(1, 2) for name in ("u", "delta", "B", "C", "z"))
    dt = F.softplus(delta + named["delta_bias"])
    if form == "plain":
        y, state = selective_scan_plain(u, dt, named["A"], b, c)
        assert_agrees(state, golden.output["last_state"], "last state")
    else:
        y = selective_scan(u, dt, named["A"], b, c)
    y = ((y + u * named["D"]) * F.silu(z)).transpose(1, 2)
    assert_agrees(y, golden.output["y"], "y")
    (y * golden.input["cotangent"]).sum().backward()
    assert_gradients_agree({name: leaf.grad for name, leaf in named.items()}, golden.grad)


@pytest.mark.parametrize("slab", [1, 100, 1 << 20])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 5, 3), (7, 20, 6, 4), (2, 200, 3, 2)])
def test_slabs_agree_with_the_plain_form(
    shape: tuple[int, int, int, int], slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.SLAB, "cpu", slab)
    fast, plain = leaves(inputs(*shape)), leaves(inputs(*shape))
    y, (expected, _) = selective_scan(*fast), selective_scan_plain(*plain)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    (y * cotangent).sum().backward()
    (expected * cotangent).sum().backward()
    for mine, theirs in zip(fast, plain, strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.SLAB, "cpu", 20)
    double = [tensor.double().requires_grad_() for tensor in inputs(3, 4, 2, 3)]
    assert torch.autograd.gradcheck(module._time_major_scan, double)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_lower_precision_inputs_are_scanned_in_float32(dtype: torch.dtype) -> None:
    tensors = inputs(4, 30, 6, 4)
    lower = [tensor.to(dtype) for tensor in tensors]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = selective_scan(*lower)
    assert y.dtype == torch.float32
    exact, _ = selective_scan_plain(*(tensor.double() for tensor in tensors))
    assert_agrees(y, exact.float(), "y", TOLERANCE[dtype])


def test_a_long_history_neither_overflows_nor_forgets_too_early() -> None:
    u, dt, a, b, c = inputs(2, 1500, 4, 3)
    y = selective_scan(u, dt, a, b, c)
    exact, _ = selective_scan_plain(*(tensor.double() for tensor in (u, dt, a, b, c)))
    assert_agrees(y, exact.float(), "y", 1e-5)
    slow = selective_scan(
        torch.ones(1, 1500, 1),
        torch.full((1, 1500, 1), 1e-3),
        -torch.ones(1, 1),
        *[torch.ones(1, 1500, 1)] * 2,
    )
    assert abs(slow[0, -1, 0].item() - (1 - torch.tensor(-1.5).exp().item())) < 1e-3


def test_the_future_never_speaks() -> None:
    tensors = inputs(2, 9, 4, 3)
    before = selective_scan(*tensors)
    tensors[0][:, 5:] += 7
    after = selective_scan(*tensors)
    assert torch.equal(before[:, :5], after[:, :5])


def test_the_kernel_gets_its_own_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the kernel's signature: channels before positions, all contiguous."""

    def selective_scan_fn(u: Tensor, delta: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        assert all(tensor.is_contiguous() for tensor in (u, delta, b, c))
        back = (tensor.transpose(1, 2) for tensor in (u, delta, b, c))
        u, delta, b, c = back
        return selective_scan_plain(u, delta, a, b, c)[0].transpose(1, 2)

    fake = ModuleType("mamba_ssm.ops.selective_scan_interface")
    vars(fake)["selective_scan_fn"] = selective_scan_fn
    for name in ("mamba_ssm", "mamba_ssm.ops"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    module._kernel.cache_clear()
    try:
        tensors = inputs(3, 7, 6, 4)
        expected = selective_scan(*tensors)
        torch.testing.assert_close(module._by_kernel(*tensors), expected)
    finally:
        module._kernel.cache_clear()


def test_without_the_package_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    module._kernel.cache_clear()
    assert module._kernel() is None
    module._kernel.cache_clear()

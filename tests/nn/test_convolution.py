"""The shifted convolution against torch's general one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn import convolution as module
from recbole_mmm4rec.nn.convolution import CausalConv, causal_conv
from tests.golden import assert_agrees, golden_files, load


def plain(x: Tensor, weight: Tensor, bias: Tensor, edge: bool) -> Tensor:
    before = weight.shape[-1] - 1
    mode = "replicate" if edge else "constant"
    padded = F.pad(x.transpose(1, 2), (before, 0), mode=mode) if before else x.transpose(1, 2)
    return F.conv1d(padded, weight, bias, groups=len(weight)).transpose(1, 2)


@pytest.mark.parametrize("slab", [1, 25, module.SLAB])
@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("kernel", [1, 2, 4, 7])
def test_value_and_gradients(
    length: int, kernel: int, edge: bool, slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(module, "SLAB", slab)
    inputs = [torch.randn(3, length, 5), torch.randn(5, 1, kernel), torch.randn(5)]
    inputs = [t.double().requires_grad_() for t in inputs]
    fast, slow = causal_conv(*inputs, edge=edge), plain(*inputs, edge=edge)
    torch.testing.assert_close(fast, slow)
    cotangent = torch.randn_like(fast)
    for actual, expected in zip(
        torch.autograd.grad(fast, inputs, cotangent),
        torch.autograd.grad(slow, inputs, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(actual, expected)


def test_bfloat16_stays_bfloat16() -> None:
    x, weight, bias = torch.randn(2, 9, 4), torch.randn(4, 1, 4), torch.randn(4)
    low = causal_conv(x.bfloat16(), weight, bias)
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), causal_conv(x, weight, bias), rtol=3e-2, atol=5e-2)


@pytest.mark.parametrize("edge", [False, True])
def test_gradients_of_bfloat16_are_summed_in_float32(edge: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many slabs, whose sums bfloat16 would swallow."""
    monkeypatch.setattr(module, "SLAB", 1)
    x, weight, bias = torch.ones(1000, 3, 2), torch.ones(2, 1, 4), torch.ones(2)
    x, weight, bias = (t.bfloat16().requires_grad_() for t in (x, weight, bias))
    causal_conv(x, weight, bias, edge).sum().backward()
    assert bias.grad is not None
    assert weight.grad is not None
    torch.testing.assert_close(bias.grad.float(), torch.full((2,), 3000.0), rtol=1e-2, atol=0)
    met = torch.tensor([3000.0] * 4 if edge else [0.0, 1000.0, 2000.0, 3000.0])
    torch.testing.assert_close(weight.grad[:, 0].float(), met.expand(2, -1), rtol=1e-2, atol=0)


def test_an_empty_batch() -> None:
    x = torch.zeros(0, 5, 2, requires_grad=True)
    y = causal_conv(x, torch.ones(2, 1, 4, requires_grad=True), torch.ones(2), edge=True)
    y.sum().backward()
    assert y.shape == (0, 5, 2)


def test_never_looks_ahead() -> None:
    conv = CausalConv(4, 4)
    x = torch.randn(1, 6, 4)
    changed = x.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(conv(x)[:, :4], conv(changed)[:, :4], rtol=0, atol=0)


@pytest.mark.parametrize("path", golden_files("scan-*", "input.conv_x"))
def test_agrees_with_the_published_convolution(path: Path) -> None:
    golden = load(path)
    i, o = golden.input, golden.output
    y = causal_conv(i["conv_x"].transpose(1, 2), i["conv_weight"].unsqueeze(1), i["conv_bias"])
    assert_agrees(y.transpose(1, 2), o["conv_plain"], "convolution")
    assert_agrees(F.silu(y).transpose(1, 2), o["conv_silu"], "convolution and SiLU")

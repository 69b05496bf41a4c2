"""The shifted convolution against torch's general one."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.convolution import CausalConv, causal_conv
from tests.golden import assert_agrees, golden_files, load


def plain(x: Tensor, weight: Tensor, bias: Tensor, edge: bool) -> Tensor:
    before = weight.shape[-1] - 1
    mode = "replicate" if edge else "constant"
    padded = F.pad(x.transpose(1, 2), (before, 0), mode=mode) if before else x.transpose(1, 2)
    return F.conv1d(padded, weight, bias, groups=len(weight)).transpose(1, 2)


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("kernel", [1, 2, 4, 7])
def test_value_and_gradients(length: int, kernel: int, edge: bool) -> None:
    torch.manual_seed(0)
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

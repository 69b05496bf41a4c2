"""The CUDA kernels against plain PyTorch; without a GPU, what they are given."""

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.nn import kernels
from recbole_mmm4rec.nn.convolution import causal_conv
from recbole_mmm4rec.nn.ssd import ssd, ssd_linear
from tests.nn.test_ssd import inputs

on_gpu = pytest.mark.skipif(
    not torch.cuda.is_available() or not kernels.installed(),
    reason="needs a CUDA GPU, mamba-ssm and causal-conv1d",
)
TF32 = 1e-2


def chunk_scan(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int) -> Tensor:
    assert all(tensor.is_contiguous() for tensor in (x, dt, B, C))
    return ssd_linear(x, dt, A, B, C, chunk_size)


def conv_of_torch(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    before = weight.shape[-1] - 1
    padded = torch.nn.functional.pad(x, (before, 0))
    return torch.nn.functional.conv1d(padded, weight.unsqueeze(1), bias, groups=len(weight))


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions with the kernels' signatures, and every tensor taken for one on a GPU."""
    contents = {
        "mamba_ssm.ops.triton.ssd_combined": {"mamba_chunk_scan_combined": chunk_scan},
        "causal_conv1d": {"causal_conv1d_fn": conv_of_torch},
    }
    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", *contents):
        module = ModuleType(name)
        vars(module).update(contents.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)


def test_the_scan_is_given_what_it_expects(stand_ins: None) -> None:
    tensors = inputs(20, 2)
    torch.testing.assert_close(kernels.ssd_by_kernel(*tensors), ssd(*tensors), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("edge", [False, True])
def test_the_convolution_is_given_what_it_expects(
    stand_ins: None, monkeypatch: pytest.MonkeyPatch, edge: bool
) -> None:
    x, weight, bias = torch.randn(3, 9, 6), torch.randn(6, 1, 4), torch.randn(6)
    expected = causal_conv(x, weight, bias, edge)
    monkeypatch.setattr("recbole_mmm4rec.nn.convolution.takes_kernel", lambda x, backend: True)
    found = causal_conv(x, weight, bias, edge, kernels.MAMBA_SSM)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("length", "backend", "there", "taken"),
    [
        (kernels.AUTO_FROM, "auto", True, True),
        (kernels.AUTO_FROM, "auto", False, False),
        (kernels.AUTO_FROM - 1, "auto", True, False),
        (kernels.AUTO_FROM, "torch", True, False),
        (3, "mamba_ssm", True, True),
    ],
)
def test_when_the_kernels_are_taken(
    monkeypatch: pytest.MonkeyPatch, length: int, backend: str, there: bool, taken: bool
) -> None:
    class OnGpu:
        is_cuda, shape = True, (2, length, 4)

    monkeypatch.setattr(kernels, "installed", lambda: there)
    fake: Any = OnGpu()
    assert kernels.takes_kernel(fake, backend) is taken
    assert not kernels.takes_kernel(torch.zeros(2, length, 4), backend)


@pytest.mark.usefixtures("tiny")
@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without a GPU is told so")
def test_asking_for_the_kernels_without_a_gpu_is_one_line() -> None:
    with pytest.raises(UserError, match="ssd_backend: mamba_ssm needs a CUDA GPU, and this run is on cpu"):
        RunConfig("MMM4Rec", "tiny", config_dict={"ssd_backend": "mamba_ssm"})


@on_gpu
@pytest.mark.parametrize("groups", [1, 2])
def test_the_scan_of_the_kernel_is_the_plain_one_in_value_and_gradient(groups: int) -> None:
    arguments = [
        torch.randn(2, 300, 4, 16),
        torch.rand(2, 300, 4),
        -torch.rand(4) * 4,
        torch.randn(2, 300, groups, 16),
        torch.randn(2, 300, groups, 16),
    ]
    _compare(kernels.ssd_by_kernel, ssd_linear, arguments)


@on_gpu
def test_the_convolution_of_the_kernel_is_the_plain_one_in_value_and_gradient() -> None:
    arguments = [torch.randn(2, 300, 24), torch.randn(24, 4), torch.randn(24)]
    _compare(kernels.conv_by_kernel, lambda x, taps, bias: causal_conv(x, taps.unsqueeze(1), bias), arguments)


def _compare(fast: Any, plain: Any, arguments: list[Tensor]) -> None:
    results = []
    for function in (fast, plain):
        given = [tensor.cuda().requires_grad_() for tensor in arguments]
        result = function(*given)
        results.append([result, *torch.autograd.grad(result.square().mean(), given)])
    for found, expected in zip(*results, strict=True):
        scale = float(expected.detach().abs().max())
        torch.testing.assert_close(found, expected, rtol=TF32, atol=TF32 * scale)

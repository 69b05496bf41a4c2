"""Gated RMS norm and masked layer norm against their definitions."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from recbole_mmm4rec.nn.norm import GatedRMSNorm, MaskedLayerNorm
from tests.golden import assert_agrees, golden_files, load


@pytest.mark.parametrize("path", golden_files("scan-*", "input.norm_x"))
def test_agrees_with_the_published_gated_norm(path: Path) -> None:
    golden = load(path)
    norm = GatedRMSNorm(golden.input["norm_x"].shape[-1], float(golden.meta.get("norm_eps", 1e-12)))
    norm.weight.data = golden.input["norm_weight"]
    out = norm(golden.input["norm_x"], golden.input["norm_z"])
    assert_agrees(out, golden.output["norm_gate_first"], "gated norm")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(8,), (5, 8), (3, 1, 8), (0, 4, 8)])
def test_gated_norm_agrees_with_its_composition(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    norm = GatedRMSNorm(8, eps=1e-5)
    torch.nn.init.normal_(norm.weight)
    y, gate = (torch.randn(shape).to(dtype).requires_grad_() for _ in range(2))
    cotangent = torch.randn(shape)
    expected = F.rms_norm(y.float() * F.silu(gate.float()), (8,), norm.weight, 1e-5)
    found = norm(y, gate)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    inputs, digits = (y, gate, norm.weight), 1e-5 if dtype == torch.float32 else 1e-2
    for one, other in zip(
        torch.autograd.grad(found, inputs, cotangent),
        torch.autograd.grad(expected, inputs, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=digits, atol=digits)


def test_all_valid_is_layer_norm() -> None:
    norm = MaskedLayerNorm(7, eps=1e-5)
    x = torch.randn(4, 7)
    torch.testing.assert_close(norm(x, torch.ones(4, 7, dtype=torch.bool)), F.layer_norm(x, (7,)))
    torch.testing.assert_close(norm(x), F.layer_norm(x, (7,)))


@pytest.mark.parametrize("length", [1, 2, 5, 7])
def test_pads_neither_count_nor_come_out(length: int) -> None:
    norm = MaskedLayerNorm(7, eps=1e-5)
    x = torch.randn(1, 7)
    valid = torch.arange(7) < length
    out = norm(x, valid)
    torch.testing.assert_close(out[:, :length], F.layer_norm(x[:, :length], (length,)))
    assert not out[:, length:].any()
    torch.testing.assert_close(norm(x + 1e6 * ~valid, valid), out)


def test_raw_seconds_keep_their_variance() -> None:
    norm = MaskedLayerNorm(3, eps=1e-12)
    seconds = torch.tensor([[1.5e9, 1.5e9 + 86400, 1.5e9 + 172800]])
    out = norm(seconds, torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(out, torch.tensor([[-1.2247, 0.0, 1.2247]]), rtol=0, atol=0.01)

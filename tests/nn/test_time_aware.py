"""Gaps, and the life of the time branch."""

import pytest
import torch

from recbole_mmm4rec.model.mmm4rec.fourier import ComplexLinear, DualChannelFilter
from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.parameters import initialise
from recbole_mmm4rec.nn.time_aware import GapNorm, TimeGate, TimeScale, TimeSettings, time_gaps

START = 1_500_000_000


def test_gaps_are_exact_seconds_however_large_the_stamps() -> None:
    stamps = torch.tensor([[START, START + 1, START + 4, 0]], dtype=torch.float64)
    lengths = torch.tensor([3])
    assert time_gaps(stamps, lengths, log=False).tolist() == [[0, 1, 3, 0]]
    assert time_gaps(stamps, lengths, log=False, masked=False)[0, 3] == -float(START + 4)
    torch.testing.assert_close(time_gaps(stamps, lengths), torch.tensor([[0, 1, 3, 0]]).float().log1p())


def test_valid_positions() -> None:
    assert valid_positions(torch.tensor([1, 3]), 3).tolist() == [[True, False, False], [True] * 3]


@pytest.mark.parametrize("per_history", [True, False])
def test_pads_never_reach_a_valid_position(per_history: bool) -> None:
    torch.manual_seed(0)
    settings = TimeSettings(length=6, heads=2)
    norm, scale, gate = GapNorm(settings, per_history), TimeScale(settings), TimeGate(settings)
    valid = valid_positions(torch.tensor([4]), 6)
    gaps = torch.rand(1, 6)
    outputs = []
    for pad in (0.0, 9.0):
        d = norm(gaps * valid + pad * ~valid, valid)
        outputs.append(gate(d, scale(d), valid))
    torch.testing.assert_close(outputs[0], outputs[1])
    assert not outputs[0][..., 4:].any()


def sensitivity(settings: TimeSettings) -> float:
    torch.manual_seed(0)
    modules = torch.nn.ModuleList([GapNorm(settings), TimeScale(settings)])
    initialise(modules)
    norm, scale = modules
    gaps = torch.rand(8, settings.length).requires_grad_()
    (gradient,) = torch.autograd.grad(scale(norm(gaps, None)).square().sum(), gaps)
    return gradient.abs().mean().item()


def test_the_branch_is_alive_where_the_released_one_is_dead() -> None:
    alive = sensitivity(TimeSettings(length=20, heads=4))
    dead = sensitivity(TimeSettings(length=20, heads=4, scale_first=True, tanhshrink=True, lively=False))
    assert alive > 1e-3
    assert dead < 1e-6


def test_complex_map_against_complex_arithmetic() -> None:
    torch.manual_seed(0)
    for crossed in (False, True):
        layer = ComplexLinear(5, crossed)
        x = torch.randn(2, 5, dtype=torch.complex64)
        weight = layer.real.weight + 1j * layer.imag.weight
        bias = layer.real.bias + 1j * layer.imag.bias
        if crossed:
            real, imag = layer.real.bias, layer.imag.bias
            bias = (real - imag) + 1j * (real + imag)
        torch.testing.assert_close(layer(x), x @ weight.T + bias)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("length", [1, 2, 9, 20])
def test_filter_starts_as_the_mean_of_both_streams(length: int, full: bool) -> None:
    torch.manual_seed(0)
    layer = DualChannelFilter(length, full_spectrum=full)
    initialise(layer, std=0.0)
    text, image = torch.randn(3, 2, length), torch.randn(3, 2, length)
    torch.testing.assert_close(layer(text, image), (text + image) / 2)

"""The frequency filter against the Fourier transform it stands for."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.bsarec.frequency import (
    FrequencyEncoder,
    FrequencyFilter,
    FrequencyLayer,
    FrequencySettings,
    low_frequencies,
)
from recbole_mmm4rec.nn.transformer import TransformerSettings, additive, causal_mask, key_mask


def low_pass(x: Tensor, bins: int) -> Tensor:
    spectrum = torch.fft.rfft(x, dim=1, norm="ortho")
    spectrum[:, bins:] = 0
    return torch.fft.irfft(spectrum, n=x.shape[1], dim=1, norm="ortho")


@pytest.mark.parametrize("length", [1, 2, 3, 9, 10, 50])
@pytest.mark.parametrize("bins", [1, 2, 3, 6, 100])
def test_the_basis_is_the_low_pass_filter(length: int, bins: int) -> None:
    basis = low_frequencies(length, bins)
    eye = torch.eye(basis.shape[1])
    torch.testing.assert_close(basis.T @ basis, eye, rtol=0, atol=1e-5)
    x = torch.randn(2, length, 3)
    torch.testing.assert_close(basis @ (basis.T @ x), low_pass(x, bins), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1, 7, 10])
def test_the_filter_agrees_with_its_plain_twin(length: int) -> None:
    torch.manual_seed(0)
    block, x = FrequencyFilter(6, length, 2, 0.0), torch.randn(4, length, 6)
    low = low_pass(x, 2)
    expected = block.layer_norm(x + low + block.sqrt_beta**2 * (x - low))
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)
    rows = torch.tensor([0, length - 1, length // 2, 0])
    torch.testing.assert_close(block(x, rows)[:, 0], expected[torch.arange(4), rows], rtol=1e-5, atol=1e-5)


def test_one_position_of_a_layer_is_that_of_the_whole() -> None:
    torch.manual_seed(0)
    layer = FrequencyLayer(TransformerSettings(8, 16, 2, 1), FrequencySettings(6, 2, 0.3))
    x, rows = torch.randn(3, 6, 8), torch.tensor([0, 3, 5])
    valid = torch.arange(6) <= rows.unsqueeze(1)
    mask = additive(key_mask(valid) & causal_mask(6, x.device))
    one = layer(x, additive(key_mask(valid)), rows)[:, 0]
    torch.testing.assert_close(one, layer(x, mask)[torch.arange(3), rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_alpha_weighs_filter_against_attention(alpha: float) -> None:
    torch.manual_seed(0)
    layer = FrequencyLayer(TransformerSettings(8, 16, 2, 1), FrequencySettings(5, 2, alpha))
    x = torch.randn(2, 5, 8)
    mask = causal_mask(5, x.device)
    part = layer.filter(x) if alpha else layer.attention(x, mask)
    torch.testing.assert_close(layer(x, mask), layer.ffn(part))


def test_the_encoder_has_finite_gradients_where_pads_have_nothing_to_look_at() -> None:
    torch.manual_seed(0)
    encoder = FrequencyEncoder(TransformerSettings(8, 16, 2, 2), FrequencySettings(6, 2, 0.5))
    vectors = torch.randn(2, 6, 8, requires_grad=True)
    valid = torch.tensor([[False] * 5 + [True], [False, False] + [True] * 4])
    encoder(vectors, valid, torch.tensor([5, 5])).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()

"""The Fourier filter in real numbers says what the one with complex numbers says."""

import pytest
import torch

from recbole_mmm4rec.model.mmm4rec.fourier import DualChannelFilter
from recbole_mmm4rec.model.mmm4rec.real_fourier import filtered_in_real_numbers


@pytest.mark.parametrize("length", [1, 2, 7, 8, 50])
@pytest.mark.parametrize("full_spectrum", [True, False])
@pytest.mark.parametrize("crossed_bias", [True, False])
def test_both_ways_agree(length: int, full_spectrum: bool, crossed_bias: bool) -> None:
    filters = DualChannelFilter(length, full_spectrum, crossed_bias)
    filters.initialise()
    text, image = torch.randn(3, 2, length), torch.randn(3, 2, length)
    with torch.no_grad():
        torch.testing.assert_close(
            filtered_in_real_numbers(filters, text, image), filters(text, image), rtol=1e-4, atol=1e-5
        )

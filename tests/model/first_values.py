"""Which distribution a layer's first values were drawn from."""

from torch import Tensor

from recbole_mmm4rec.nn.transformer import SelfAttention

_STANDARD_ERRORS = 5.0


def assert_uniform(values: Tensor, bound: float) -> None:
    """Uniform within ``bound``: the largest value, the mean and the mean square."""
    share = values.detach().flatten() / bound
    n = share.numel()
    assert share.abs().max() <= 1
    assert share.abs().max() >= 1 - 10 / n  # e^-10 that all of n draws are smaller
    _assert_moments(share, variance=1 / 3, fourth=1 / 5)


def assert_normal(values: Tensor, std: float) -> None:
    """Normal(0, ``std``): the mean, the mean square and tails that a uniform distribution lacks."""
    share = values.detach().flatten() / std
    _assert_moments(share, variance=1.0, fourth=3.0)
    assert share.abs().max() > 2


def _assert_moments(values: Tensor, variance: float, fourth: float) -> None:
    n = values.numel()
    error = _STANDARD_ERRORS * (variance / n) ** 0.5
    assert abs(values.mean().item()) <= error
    error = _STANDARD_ERRORS * ((fourth - variance**2) / n) ** 0.5
    assert abs(values.square().mean().item() - variance) <= error


def assert_attention(attention: SelfAttention, xavier: bool) -> None:
    """Projections as torch's own attention starts them, or as every other linear map of ours."""
    width = attention.query.in_features
    for layer in (attention.query, attention.key, attention.value):
        if xavier:
            assert_uniform(layer.weight, (6 / (width + 3 * width)) ** 0.5)
        else:
            assert_normal(layer.weight, 0.02)
        assert not layer.bias.any()
    assert_normal(attention.out.weight, 0.02)

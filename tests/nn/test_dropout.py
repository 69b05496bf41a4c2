"""Our dropout is torch's in distribution, gradient and reproducibility."""

import pytest
import torch

from recbole_mmm4rec.nn.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.4, 0.5, 0.9])
def test_drops_a_share_of_p_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(400_003)
    dropped = Dropout(p)(x)
    deviation = (p * (1 - p) / len(x)) ** 0.5
    assert abs((dropped == 0).double().mean() - p) < 5 * deviation
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-3)
    assert dropped.double().mean() == pytest.approx(1, abs=5 * deviation / (1 - p))


def test_elements_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(100_000)) > 0).double() - 0.5
    for distance in (1, 2, 3, 4, 8):
        assert (kept[:-distance] * kept[distance:]).mean().abs() < 0.25 * 5 / 100_000**0.5


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3, 5), (0, 4)])
def test_gradients_pass_where_values_do(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.full(shape, 2.0, requires_grad=True)
    y = Dropout(0.4)(x)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(y, x.grad * 2)


def test_a_seed_repeats_it() -> None:
    x, dropout, results = torch.randn(7, 9), Dropout(0.3), []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(dropout(x))
    torch.testing.assert_close(*results, rtol=0, atol=0)
    assert not torch.equal(dropout(x), results[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_keeps_the_dtype(dtype: torch.dtype) -> None:
    assert Dropout(0.3)(torch.randn(5, dtype=dtype)).dtype is dtype


def test_passes_everything_in_evaluation_and_nothing_at_1() -> None:
    x = torch.randn(6)
    assert Dropout(0.4).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert not Dropout(1.0)(x).any()

"""The selective scan read at one position against the recurrence."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.nn import selective_read as module
from recbole_mmm4rec.nn.selective_read import selective_read
from recbole_mmm4rec.nn.selective_scan import selective_scan_plain
from tests.golden import assert_agrees
from tests.nn.test_selective_scan import inputs, leaves


def last(found: Tensor, lengths: Tensor) -> Tensor:
    return found[torch.arange(len(found)), lengths - 1]


@pytest.mark.parametrize("slab", [1, 100, 1 << 20])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 5, 3), (7, 20, 6, 4), (2, 200, 3, 2)])
def test_value_and_gradients(
    shape: tuple[int, int, int, int], slab: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pads hold numbers like any others; nothing of them is read, and no gradient comes back to them."""
    monkeypatch.setitem(module.SLAB, "cpu", slab)
    lengths = torch.randint(1, shape[1] + 1, shape[:1], generator=torch.Generator().manual_seed(2))
    lengths[0] = shape[1]
    fast, plain = leaves(inputs(*shape)), [t.detach().double().requires_grad_() for t in inputs(*shape)]
    y, expected = selective_read(*fast, lengths), last(selective_scan_plain(*plain)[0], lengths)
    assert_agrees(y.double(), expected, "y", 1e-5)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    y.backward(cotangent)
    expected.backward(cotangent.double())
    for mine, theirs in zip(fast, plain, strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert_agrees(mine.grad.double(), theirs.grad, "gradient", 1e-5)


def test_what_is_forgotten_makes_no_denormals() -> None:
    u, dt, a, b, c = inputs(3, 20, 6, 4)
    tensors = leaves([u, torch.linspace(1, 40, dt.numel()).view_as(dt), -torch.ones_like(a), b, c])
    y = selective_read(*tensors, torch.tensor([20, 9, 1]))
    (1e-6 * y.sum()).backward()
    exact, _ = selective_scan_plain(*(tensor.detach().double() for tensor in tensors))
    assert_agrees(y.double(), last(exact, torch.tensor([20, 9, 1])), "y", 1e-5)
    for tensor in tensors:
        assert tensor.grad is not None
        assert not ((tensor.grad != 0) & (tensor.grad.abs() < torch.finfo(torch.float32).tiny)).any()


def test_lower_precision_inputs_are_read_in_float32() -> None:
    tensors, lengths = inputs(4, 30, 6, 4), torch.tensor([30, 1, 7, 12])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = selective_read(*(tensor.bfloat16() for tensor in tensors), lengths)
    assert y.dtype == torch.float32
    exact, _ = selective_scan_plain(*(tensor.double() for tensor in tensors))
    assert_agrees(y, last(exact, lengths).float(), "y", 2e-2)


def test_a_kernel_scans_all_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, lengths = inputs(4, 9, 6, 4), torch.tensor([9, 1, 7, 2])
    monkeypatch.setattr(module, "by_other_means", lambda _: True)
    exact, _ = selective_scan_plain(*tensors)
    torch.testing.assert_close(selective_read(*tensors, lengths), last(exact, lengths), rtol=1e-5, atol=1e-5)

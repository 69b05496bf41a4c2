"""Rows in chunks are the rows at once, dropout included."""

import pytest
import torch
from torch import Tensor, nn

from recbole_mmm4rec.nn.chunks import in_chunks


@pytest.mark.parametrize("chunk", [0, 1, 3, 7, 8])
def test_value_and_gradients_are_those_of_the_whole(chunk: int) -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(7, 4).requires_grad_(), torch.randn(7, 2, 4).requires_grad_()]
    weight = torch.randn(4, 4).requires_grad_()

    def function(a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(a @ weight) * b.sum(1)

    pair = [in_chunks(function, inputs, size) for size in (0, chunk)]
    torch.testing.assert_close(pair[1], pair[0])
    grads = [torch.autograd.grad(out.square().sum(), [*inputs, weight]) for out in pair]
    for whole, parts in zip(*grads, strict=True):
        torch.testing.assert_close(parts, whole)


def test_the_backward_pass_sees_the_dropout_of_the_forward_pass() -> None:
    torch.manual_seed(0)
    x, layer = torch.ones(9, 5).requires_grad_(), nn.Dropout(0.5)
    out = in_chunks(layer, [x], 4)
    out.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, out)


def test_a_chunk_is_all_that_is_worked_on() -> None:
    sizes: list[int] = []

    def function(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.exp()  # whose gradient needs the result

    x = torch.randn(10, 3)
    in_chunks(function, [x.requires_grad_()], 4).sum().backward()
    assert sizes == [4, 4, 2, 2, 4, 4]  # once more in the backward pass, from the end
    sizes.clear()
    in_chunks(function, [x], 10, rows=11).sum().backward()
    assert sizes == [10, 10]  # one of several calls whose activations do not fit together
    sizes.clear()
    with torch.no_grad():
        in_chunks(function, [x], 4)
    assert sizes == [4, 4, 2]

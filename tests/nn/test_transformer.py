"""The Transformer: plain attention, masks, the last layer's saving."""

import math

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.nn.transformer import (
    PositionalInput,
    SelfAttention,
    TransformerEncoder,
    TransformerSettings,
    TransformerStack,
    additive,
    causal_mask,
    key_mask,
    start_attentions_as_torch,
)
from tests.model import first_values

SETTINGS = TransformerSettings(width=12, inner=20, heads=3, layers=2)


def plain_attention(attention: SelfAttention, x: Tensor, mask: Tensor) -> Tensor:
    """One head after the other, softmax written out."""
    heads, size = attention.heads, x.shape[-1] // attention.heads
    outputs = []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        q, k, v = (layer(x)[..., part] for layer in (attention.query, attention.key, attention.value))
        scores = q @ k.transpose(1, 2) / math.sqrt(size) + mask
        weights = (scores - scores.amax(-1, keepdim=True)).exp()
        outputs.append(weights / weights.sum(-1, keepdim=True) @ v)
    return attention.layer_norm(x + attention.out(torch.cat(outputs, -1)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 7)])
def test_agrees_with_plain_attention(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    attention, x = SelfAttention(SETTINGS), torch.randn(*shape, 12)
    mask = causal_mask(shape[1], x.device)
    expected = plain_attention(attention, x, additive(mask))
    torch.testing.assert_close(attention(x, mask), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(attention(x, additive(mask)), expected, rtol=1e-5, atol=1e-5)


def test_both_masks_agree_where_a_key_is_allowed() -> None:
    torch.manual_seed(0)
    attention, x = SelfAttention(SETTINGS), torch.randn(2, 5, 12)
    mask = key_mask(torch.tensor([[True, False, True, True, False], [True] * 5]))
    torch.testing.assert_close(attention(x, mask), attention(x, additive(mask)), rtol=1e-5, atol=1e-5)


def test_with_no_key_allowed_the_additive_mask_looks_everywhere() -> None:
    torch.manual_seed(0)
    attention, x = SelfAttention(SETTINGS), torch.randn(1, 3, 12)
    nothing = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    # adding -1e4 costs the scores their last digits
    torch.testing.assert_close(attention(x, additive(nothing)), attention(x, ~nothing), rtol=0, atol=1e-3)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_last_layer_is_computed_where_it_is_read_alone(layers: int) -> None:
    torch.manual_seed(0)
    stack = TransformerStack(TransformerSettings(12, 20, 3, layers))
    x, lengths = torch.randn(4, 6, 12), torch.tensor([1, 2, 5, 6])
    whole = stack(x, causal_mask(6, x.device))[torch.arange(4), lengths - 1]
    torch.testing.assert_close(stack.last(x, lengths), whole, rtol=1e-5, atol=1e-6)


def test_gradients_of_the_last_layers_saving() -> None:
    torch.manual_seed(0)
    stack, lengths = TransformerStack(SETTINGS), torch.tensor([1, 3, 6])
    x = torch.randn(3, 6, 12)
    grads = []
    for saving in (True, False):
        leaf = x.clone().requires_grad_()
        y = stack.last(leaf, lengths) if saving else stack(leaf, causal_mask(6, x.device))
        y = y if saving else y[torch.arange(3), lengths - 1]
        y.square().sum().backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-5)


def test_pads_and_width_do_not_reach_the_user_vector() -> None:
    torch.manual_seed(0)
    encoder, lengths = TransformerEncoder(SETTINGS, length=9), torch.tensor([2, 4])
    vectors = torch.randn(2, 9, 12)
    trimmed = encoder(vectors[:, :4], lengths)
    torch.testing.assert_close(encoder(vectors, lengths), trimmed, rtol=1e-5, atol=1e-6)


def test_positions_count_from_the_left() -> None:
    block = PositionalInput(5, 12, 0.0)
    vectors = torch.randn(1, 3, 12)
    torch.testing.assert_close(block(vectors), block.layer_norm(vectors + block.position.weight[:3]))


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="n_heads 5 must divide hidden_size 12"):
        TransformerSettings(12, 20, 5, 2)


def test_dropout_of_attention_acts_in_training_alone() -> None:
    attention = SelfAttention(TransformerSettings(12, 20, 3, 1, attention_dropout=0.5))
    x = torch.randn(2, 4, 12)
    mask = causal_mask(4, x.device)
    assert not torch.equal(attention(x, mask), attention(x, mask))
    attention.eval()
    assert torch.equal(attention(x, mask), attention(x, mask))


def test_hidden_sequences_add_only_the_output_bias() -> None:
    torch.manual_seed(0)
    attention, x = SelfAttention(SETTINGS), torch.randn(3, 4, 12)
    hidden = torch.tensor([False, True, False])
    heard, found = attention(x, None), attention(x, None, hidden=hidden)
    torch.testing.assert_close(found[[0, 2]], heard[[0, 2]])
    torch.testing.assert_close(found[1], attention.layer_norm(x[1] + attention.out.bias))


@pytest.mark.parametrize("alike", [False, True])
def test_attention_may_start_attentions_as_torchs(alike: bool) -> None:
    torch.manual_seed(0)
    stack = TransformerStack(TransformerSettings(width=60, inner=20, heads=3, layers=2))
    start_attentions_as_torch(stack.modules(), alike)
    theirs = torch.nn.MultiheadAttention(60, 3).in_proj_weight
    first, second = (layer.attention for layer in stack.layers)
    bound = (6 / (60 + 3 * 60)) ** 0.5
    for weight in (theirs, first.query.weight, first.key.weight, first.value.weight, second.value.weight):
        first_values.assert_uniform(weight, bound)
    for name in ("query", "key", "value"):
        assert not getattr(first, name).bias.any()
        assert torch.equal(getattr(first, name).weight, getattr(second, name).weight) is alike
    assert not torch.equal(first.query.weight, first.key.weight)
    assert not torch.equal(first.out.weight, second.out.weight)

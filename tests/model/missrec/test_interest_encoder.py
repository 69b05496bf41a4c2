"""MISSRec's Transformer against torch's own, and its regulariser by hand."""

import pytest
import torch
from torch import nn

from recbole_mmm4rec.model.missrec.interest_encoder import InterestEncoder, InterestTransformer, norm_penalty
from recbole_mmm4rec.nn.transformer import TransformerSettings
from tests.model import released_names, released_transformer

B, S, W, D = 5, 4, 6, 8
RENAMES = [
    (r"^(encoder|decoder)\.norm\.", r"\1_norm."),
    (r"^decoder\.layers\.", "decoder."),
    *released_transformer.RENAMES,
]


@pytest.mark.parametrize("layers", [1, 2])
def test_it_is_torchs_transformer_read_at_one_position(layers: int) -> None:
    torch.manual_seed(layers)
    theirs = nn.Transformer(D, 2, layers, layers, 12, 0.0, "gelu", layer_norm_eps=1e-5, batch_first=True)
    ours = InterestTransformer(TransformerSettings(D, 12, 2, layers, eps=1e-5), layers)
    state = released_transformer.split_projections(released_names.rename(theirs.state_dict(), RENAMES))
    ours.load_state_dict(state)
    interests, items, lengths = torch.randn(B, S, D), torch.randn(B, W, D), torch.tensor([1, 6, 3, 2, 6])
    real = torch.arange(S) < torch.tensor([1, 4, 2, 3, 4]).unsqueeze(1)
    valid = torch.arange(W) < lengths.unsqueeze(1)
    users, memory = ours(interests, real, items, valid, lengths - 1)
    expected = theirs.encoder(interests, src_key_padding_mask=~real)
    decoded = theirs.decoder(
        items, expected, tgt_key_padding_mask=~valid, memory_key_padding_mask=~real, tgt_mask=None
    )
    torch.testing.assert_close(memory, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(users, decoded[torch.arange(B), lengths - 1], rtol=1e-4, atol=1e-5)


def test_a_user_without_any_interest_or_token_gets_numbers() -> None:
    encoder = InterestEncoder(TransformerSettings(D, 12, 2, 1), 1, W)
    nothing = torch.zeros(B, W, dtype=torch.bool)
    x, interests = torch.randn(B, W, D).requires_grad_(), torch.zeros(B, 1, D)
    users, _ = encoder([x], [nothing], torch.ones(B, dtype=torch.int64), interests, nothing[:, :1])
    users.sum().backward()
    assert users.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_the_penalty_of_real_slots_ignores_the_others() -> None:
    memory, real = torch.randn(2, 3, D), torch.tensor([[True, True, False], [True, True, True]])
    first = memory[0, :2].sum(0).square().sum() / D
    second = memory[1].sum(0).square().sum() / D
    torch.testing.assert_close(norm_penalty(memory, real, False), torch.stack([first, second]))
    released = (memory[0].sum(0) * 2 / 3).square().sum() / D
    torch.testing.assert_close(norm_penalty(memory, real, True), torch.stack([released, second]))

"""Blocks that streams share, experts that they do not."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.m3rec.modality_experts import ModalityExpertEncoder, ModalityExpertLayer
from recbole_mmm4rec.nn.mamba import Mamba, MambaSettings
from recbole_mmm4rec.nn.state_space_encoder import StateSpaceBlock, StateSpaceEncoder, StateSpaceLayer

WIDTH, NAMES = 8, ("id", "text", "image")


def encoder(layers: int, cut: tuple[str, ...] = ()) -> ModalityExpertEncoder:
    torch.manual_seed(0)
    stack = []
    for _ in range(layers):
        block = StateSpaceBlock(Mamba(MambaSettings(WIDTH, 3)), WIDTH, 0.0, residual=layers > 1)
        stack.append(ModalityExpertLayer(block, NAMES, WIDTH, 0.0, cut))
    return ModalityExpertEncoder(stack, NAMES, WIDTH, 0.0)


def streams() -> tuple[dict[str, Tensor], Tensor]:
    torch.manual_seed(1)
    return {name: torch.randn(3, 5, WIDTH, requires_grad=True) for name in NAMES}, torch.tensor([5, 1, 3])


@pytest.mark.parametrize("layers", [1, 2])
def test_a_stream_passes_the_blocks_as_if_it_were_alone(layers: int) -> None:
    """Each stream is the encoder of Mamba4Rec, made of the shared blocks and the stream's experts."""
    model, (histories, lengths) = encoder(layers), streams()
    users = model(histories, lengths)
    for name in NAMES:
        alone = StateSpaceEncoder(
            [StateSpaceLayer(Mamba(MambaSettings(WIDTH, 3)), WIDTH, 0.0) for _ in model.layers], WIDTH, 0.0
        )
        alone.input_norm = model.input_norms[name]
        for own, layer in zip(alone.layers, model.layers, strict=True):
            own.block, own.layer_norm = layer.shared.block, layer.shared.layer_norm
            own.residual, own.ffn = layer.shared.residual, layer.experts[name]
        torch.testing.assert_close(users[name], alone(histories[name], lengths))


@pytest.mark.parametrize("layers", [1, 2])
def test_a_cut_stream_sends_no_gradient_back(layers: int) -> None:
    model, (histories, lengths) = encoder(layers, ("text", "image")), streams()
    users = model(histories, lengths)
    sum(vectors.square().sum() for vectors in users.values()).backward()
    assert histories["id"].grad is not None
    assert histories["text"].grad is None
    assert histories["image"].grad is None
    last = model.layers[-1].experts["text"]
    assert last.fc1.weight.grad is not None
    assert (model.layers[0].experts["text"].fc1.weight.grad is None) is (layers == 2)


def test_without_gradients_nothing_is_switched_on() -> None:
    model, (histories, lengths) = encoder(1), streams()
    with torch.no_grad():
        assert not any(vectors.requires_grad for vectors in model(histories, lengths).values())

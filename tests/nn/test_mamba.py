"""The Mamba-1 block and the encoder around it."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.nn.mamba import Mamba, MambaSettings
from recbole_mmm4rec.nn.parameters import initialise, parameter_groups
from recbole_mmm4rec.nn.selective_scan import selective_scan_plain
from recbole_mmm4rec.nn.state_space_encoder import SelfTiSSD, StateSpaceEncoder, StateSpaceLayer
from recbole_mmm4rec.nn.tail import Tail
from recbole_mmm4rec.nn.tissd import SSDSettings


def block(width: int = 18, state: int = 5, **changes: bool) -> Mamba:
    torch.manual_seed(0)
    return Mamba(MambaSettings(width, state, 4, 2, **changes))


def plain(mamba: Mamba, x: Tensor) -> Tensor:
    """The block as the paper's figure 3 draws it, with torch's own convolution."""
    s, length = mamba.settings, x.shape[1]
    inner = mamba.in_proj(x).transpose(1, 2)
    weight, bias = mamba.conv.weight, mamba.conv.bias
    u = F.silu(F.conv1d(inner, weight, bias, padding=s.d_conv - 1, groups=s.inner)[..., :length])
    u = u.transpose(1, 2)
    rank, b, c = mamba.maps(u).split([s.rank, s.d_state, s.d_state], -1)
    dt = F.softplus(mamba.dt_proj(rank))
    y, _ = selective_scan_plain(u, dt, -mamba.scan.a_log.exp(), b, c)
    return mamba.out_proj((y + u * mamba.scan.skip) * F.silu(mamba.gate_proj(x)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (4, 11)])
def test_agrees_with_its_plain_twin(shape: tuple[int, int]) -> None:
    mamba, x = block(), torch.randn(*shape, 18)
    torch.testing.assert_close(mamba(x), plain(mamba, x), rtol=1e-5, atol=1e-5)


def test_a_tail_is_the_last_positions_of_the_whole() -> None:
    mamba, x, lengths = block(), torch.randn(4, 9, 18), torch.tensor([1, 3, 8, 9])
    whole = mamba(x)
    last = mamba(x, tail=Tail(lengths, 1))[:, 0]
    torch.testing.assert_close(last, whole[torch.arange(4), lengths - 1])


def test_its_start_survives_an_ordinary_initialiser() -> None:
    for keep in (True, False):
        model = torch.nn.Sequential(block(keep_step_init=keep))
        initialise(model)
        steps = F.softplus(model[0].dt_proj.bias)
        assert bool((steps.min() > 0.9e-3) & (steps.max() < 0.11)) is keep
        rates = torch.arange(1.0, 6.0).expand(36, 5)
        torch.testing.assert_close(model[0].scan.a_log.exp(), rates)
        assert torch.equal(model[0].scan.skip, torch.ones(36))


def test_rank_is_a_sixteenth_rounded_up() -> None:
    assert [MambaSettings(width).rank for width in (16, 17, 64, 256)] == [1, 2, 4, 16]


def test_scan_parameters_are_not_decayed() -> None:
    mamba = block()
    decayed, exempt = parameter_groups(mamba, 0.1)
    ids = {id(p) for p in exempt["params"]}
    assert {id(mamba.scan.a_log), id(mamba.scan.skip), id(mamba.dt_proj.bias)} <= ids
    assert id(mamba.in_proj.weight) in {id(p) for p in decayed["params"]}


def encoder(kind: str, layers: int, residual: bool) -> StateSpaceEncoder:
    torch.manual_seed(0)
    if kind == "mamba":
        blocks: list[torch.nn.Module] = [Mamba(MambaSettings(16, 4)) for _ in range(layers)]
    else:
        settings = SSDSettings(16, head_dim=8, d_state=4, n_groups=2, skip="x")
        blocks = [SelfTiSSD(settings) for _ in range(layers)]
    return StateSpaceEncoder([StateSpaceLayer(b, 16, 0.0, residual=residual) for b in blocks], 16, 0.0)


@pytest.mark.parametrize("kind", ["mamba", "ssd"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("residual", [True, False])
def test_the_last_layer_is_computed_where_it_is_read_alone(kind: str, layers: int, residual: bool) -> None:
    model, lengths = encoder(kind, layers, residual), torch.tensor([1, 2, 5, 9])
    vectors = torch.randn(4, 9, 16)
    scales = [torch.rand(4, 9, 4) for _ in range(layers)] if kind == "ssd" else []
    x = model.input_norm(vectors)
    for number, layer in enumerate(model.layers):
        x = layer(x, scales[number] if scales else None)
    expected = x[torch.arange(4), lengths - 1]
    torch.testing.assert_close(model(vectors, lengths, scales), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["mamba", "ssd"])
def test_pads_and_width_do_not_reach_the_user_vector(kind: str) -> None:
    model, lengths = encoder(kind, 2, True), torch.tensor([2, 4])
    vectors = torch.randn(2, 9, 16)
    trimmed = model(vectors[:, :4], lengths)
    torch.testing.assert_close(model(vectors, lengths), trimmed, rtol=1e-5, atol=1e-6)

"""TiM4Rec, official and as in the MMM4Rec repository, and its text variant."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.tim4rec import TiM4Rec, TiM4RecT
from tests.golden import golden_files, load
from tests.model import agreement, builders, released_names

SIZES = ("hidden_size", "num_layers", "dropout_prob", "d_state", "d_conv", "expand", "head_dim", "norm_eps")
FILES = golden_files("tim4rec*")


def build(golden: Any, **changes: Any) -> Any:
    h = golden.hyper
    port = golden.meta["source"].startswith("AlwaysFHao/MMM4Rec")
    settings = {name: h[name] for name in SIZES} | {
        "n_groups": h.get("n_groups", 1),
        "use_time": h["is_time"],
        "pointwise_gate": h["p2p_residual"],
        "time_dropout_prob": h["time_drop_out"],
        "time_tanhshrink": port,
        "skip": "dt_x" if port else "x",
        "always_residual": port,
        "conv_activation": "silu" if port else "by_heads",
    }
    model_class = TiM4RecT if "text_features" in golden.input else TiM4Rec
    return agreement.build(model_class, golden, converter(golden), has_time=True, **settings | changes)


def converter(golden: Any) -> Any:
    h = golden.hyper
    inner, maps = h["expand"] * h["hidden_size"], h.get("n_groups", 1) * h["d_state"]
    return lambda state: released_names.tim4rec(state, inner, maps, h["num_layers"])


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", FILES)
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model = build(golden, num_buckets=buckets)
    suffix = "_small" if "user_small" in golden.output else ""
    times = "timestamps" if suffix else None
    agreement.assert_outputs_agree(model, golden, agreement.interaction(golden, times))
    small = agreement.interaction(golden, times and f"{times}{suffix}")
    loss = agreement.assert_outputs_agree(model, golden, small, suffix=suffix)
    agreement.assert_gradients_agree(model, loss, converter(golden)(golden.grad))


def batch(times: list[list[float]]) -> Any:
    item_seq, lengths = torch.tensor([[3, 4, 0, 0], [5, 6, 7, 8]]), torch.tensor([2, 4])
    return builders.batch(item_seq, lengths, torch.tensor([9, 10]), torch.tensor(times))


def model_of(**changes: Any) -> Any:
    torch.manual_seed(0)
    config = builders.settings("TiM4Rec", MAX_ITEM_LIST_LENGTH=4, **changes)
    return TiM4Rec(config, builders.dataset(30)).eval()


@pytest.mark.parametrize("layers", [1, 2])
def test_gaps_reach_the_user_vector_and_pads_do_not(layers: int) -> None:
    model, day = model_of(num_layers=layers), 86400.0
    users = model.user_vectors(batch([[day, 2 * day, 0, 0], [0, day, 2 * day, 3 * day]]))
    other = model.user_vectors(batch([[day, 900 * day, 0, 0], [0, day, 2 * day, 3 * day]]))
    pads = model.user_vectors(batch([[day, 2 * day, 7, 9], [0, day, 2 * day, 3 * day]]))
    assert torch.equal(users[1], other[1])
    assert torch.equal(users, pads)
    if layers == 1:  # a history of two has one gap, which a norm over the history makes a constant
        other = model.user_vectors(batch([[day, 2 * day, 0, 0], [0, day, 2 * day, 500 * day]]))
        assert (users[1] - other[1]).abs().max() > 1e-6


def test_without_times_it_is_the_plain_encoder() -> None:
    config = builders.settings("TiM4Rec", MAX_ITEM_LIST_LENGTH=4)
    model = TiM4Rec(config, builders.dataset(30, has_time=False))
    assert model.time is None
    item_seq, lengths = torch.tensor([[3, 4, 0, 0]]), torch.tensor([2])
    assert model.calculate_loss(builders.batch(item_seq, lengths, torch.tensor([9]))).isfinite()


def test_time_parameters_get_a_gradient() -> None:
    model, day = model_of(), 86400.0
    model.calculate_loss(batch([[day, 2 * day, 0, 0], [0, day, 9 * day, 13 * day]])).backward()
    silent = [n for n, p in model.time.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-12]
    assert not silent


@pytest.mark.parametrize("model_class", [TiM4Rec, TiM4RecT])
@pytest.mark.parametrize(("fidelity", "drops"), [("repaired", False), ("reference", True)])
def test_the_released_code_drops_gaps_whatever_the_time_dropout(
    model_class: Any, fidelity: str, drops: bool
) -> None:
    config = builders.settings(
        model_class.__name__, fidelity, MAX_ITEM_LIST_LENGTH=4, time_dropout_prob=0.0, initializer_range=0.2
    )
    torch.manual_seed(0)
    model = model_class(config, builders.dataset(30, text=builders.feature(torch.randn(30, 8))))
    interaction = batch([[1.0, 2.0, 0, 0], [1.0, 4.0, 5.0, 9.0]])
    first, *others = (model.context(interaction)[0] for _ in range(8))
    assert all(torch.equal(first, other) for other in others) is not drops
    assert model.time.gap_norm.dropout.p == (config["dropout_prob"] if drops else 0.0)


def test_the_activation_follows_the_heads_where_it_is_asked_to() -> None:
    for head_dim, conv, activation in (
        (8, "by_heads", F.silu),
        (32, "by_heads", F.hardswish),
        (32, "silu", F.silu),
    ):
        model = model_of(hidden_size=32, head_dim=head_dim, conv_activation=conv)
        assert model.ssd.activation is activation
    with pytest.raises(UserError, match="conv_activation: 'relu' is"):
        model_of(conv_activation="relu")

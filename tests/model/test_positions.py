"""Training at all positions in one pass against a sample for every prefix, for every model that allows it."""

import importlib
from typing import Any

import pytest
import torch

from recbole_mmm4rec.columns import READ_AT
from recbole_mmm4rec.data.chunks import chunk_starts, cut_chunks
from recbole_mmm4rec.data.windows import FlatInteractions, Windows
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.model.objective import OBJECTIVES
from recbole_mmm4rec.model.positions import check_positions
from tests.data.test_windows import layout
from tests.golden import assert_agrees, assert_gradients_agree
from tests.model import builders
from tests.model.test_every_baseline import LENGTH, SMALL, N, build
from tests.model.test_objective import SAMPLING, with_negatives

CAUSAL: dict[str, Any] = {"time_branch": "causal", "n_groups": 2}
NO_TIME: dict[str, Any] = {"use_time": False, "n_groups": 2}
ONE_LOSS: dict[str, Any] = {"pcl_weight": 0.0}
ALLOWED: list[tuple[str, str, dict[str, Any]]] = [
    *((name, "repaired", {}) for name in ("FDSAT", "M3Rec", "Mamba4Rec", "Mamba4RecT", "S3RecT", "SASRecT")),
    *((name, "repaired", {}) for name in ("UniSRec", "VQRec", "ZESRec")),
    *((name, "reference", {}) for name in ("M3Rec", "Mamba4RecT", "UniSRec")),
    ("Mamba4Rec", "repaired", {"num_layers": 1}),
    *(
        (name, fidelity, NO_TIME)
        for name in ("TiM4Rec", "TiM4RecT")
        for fidelity in ("repaired", "reference")
    ),
    *(("MMM4Rec", fidelity, NO_TIME) for fidelity in ("repaired", "reference")),
    ("MMM4Rec", "repaired", NO_TIME | {"conv_edge": False, "share_alignment": False, "num_layers": 2}),
    *((name, fidelity, CAUSAL) for name in ("MMM4Rec", "TiM4Rec") for fidelity in ("repaired", "reference")),
    ("TiM4RecT", "repaired", CAUSAL | {"pointwise_gate": False, "num_layers": 3}),
    ("MMM4Rec", "repaired", CAUSAL | {"pointwise_gate": True, "share_alignment": False, "num_layers": 2}),
    ("MMM4Rec", "repaired", CAUSAL | {"gap_norm": "fixed", "gap_mask": False}),
    ("HM4SR", "repaired", ONE_LOSS),
    ("HM4SR", "repaired", ONE_LOSS | {"use_time": False}),
]
each_model = pytest.mark.parametrize(
    ("name", "fidelity", "values"), ALLOWED, ids=lambda part: part if isinstance(part, str) else None
)


def made(name: str, fidelity: str, values: dict[str, Any], **more: Any) -> Any:
    return build(name, fidelity, positions="all", **values | more).eval()


def samples(longest: int = LENGTH, events: tuple[int, ...] = (2, 5, LENGTH + 1, 3)) -> Windows:
    """Users with so many interactions, seconds to days apart."""
    draw = torch.Generator().manual_seed(0)
    user = torch.repeat_interleave(torch.arange(1, len(events) + 1), torch.tensor(events))
    item = torch.randint(1, N, user.shape, generator=draw)
    clock = 1.5e9 + torch.randint(0, 10**5, user.shape, generator=draw).double().cumsum(0)
    columns = {"user_id": user, "item_id": item, "timestamp": clock.float()}
    flat = FlatInteractions(columns, clock.numpy(), "user_id")
    return Windows.of_all_prefixes(flat, layout(trims=True, max_length=longest))


def in_one_pass(windows: Windows) -> Any:
    return cut_chunks(windows, chunk_starts(windows))


@each_model
def test_a_position_is_the_end_of_its_prefix(name: str, fidelity: str, values: dict[str, Any]) -> None:
    model, lengths = made(name, fidelity, values), [*range(1, LENGTH + 1)]
    for width in (None, LENGTH):
        data = builders.random_batch(lengths[:5] if width is None else lengths, N, LENGTH, width=width)
        table, item_seq = model.item_table(), data["item_id_list"]
        every = model.encode_positions(table, item_seq, model.context(data))
        for position in range(item_seq.shape[1]):
            rows = torch.nonzero(data["item_length"] > position).squeeze(1)
            cut = data[rows.numpy()]
            cut["item_length"] = torch.full_like(rows, position + 1)
            valid = torch.arange(LENGTH) <= position
            cut["item_id_list"] = cut["item_id_list"] * valid[: item_seq.shape[1]]
            cut["timestamp_list"] = cut["timestamp_list"] * valid
            last = model.encode(table, cut["item_id_list"], cut["item_length"], model.context(cut))
            assert_agrees(every[rows, position], last, f"position {position}", 1e-6)


def gradients(model: Any, data: list[Any]) -> tuple[float, dict[str, Any]]:
    """The summed losses of batches drawn from one seed, and their gradients."""
    model.zero_grad()
    torch.manual_seed(1)
    with model.shared_item_table():
        losses = [model.calculate_loss(batch) for batch in data]
        torch.stack(losses).sum().backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return sum(loss.item() for loss in losses), found


@each_model
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_and_gradient_are_those_of_a_sample_for_every_prefix(
    name: str, fidelity: str, values: dict[str, Any], objective: str
) -> None:
    model, windows = made(name, fidelity, values, objective=objective, **SAMPLING), samples()
    if objective in ("sampled", "gbce"):
        with_negatives(model, torch.tensor([5, 9, 9, 17, 30]))
    loss, expected = gradients(model, [windows.cut()])
    for buckets in (1, 3):
        model.num_buckets = buckets
        found, grads = gradients(model, [in_one_pass(windows)])
        assert found == pytest.approx(loss, rel=1e-5)
        assert_gradients_agree(grads, expected)


@pytest.mark.parametrize("chunk", [0, 7])
def test_summed_batches_that_share_a_table_and_split_a_chunk(chunk: int) -> None:
    model, windows = made("MMM4Rec", "repaired", NO_TIME, softmax_chunk=chunk), samples()
    parts = [windows[:6], windows[6:]]  # of the second and third user
    loss, expected = gradients(model, [part.cut() for part in parts])
    found, grads = gradients(model, [in_one_pass(part) for part in parts])
    assert found == pytest.approx(loss, rel=1e-5)
    assert_gradients_agree(grads, expected)


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
@pytest.mark.parametrize("objective", ["full", "in_batch"])
def test_what_a_position_has_seen_does_not_compete(objective: str, stage: str) -> None:
    values = {"objective": objective, "stage": stage}
    seen = made("MMM4Rec", "repaired", NO_TIME, mask_seen=True, **values)
    all_compete = made("MMM4Rec", "repaired", NO_TIME, **values)
    windows = samples()
    loss, expected = gradients(seen, [windows.cut()])
    found, grads = gradients(seen, [in_one_pass(windows)])
    assert found == pytest.approx(loss, rel=1e-5)
    assert_gradients_agree(grads, expected)
    assert found < gradients(all_compete, [in_one_pass(windows)])[0]


@pytest.mark.parametrize("objective", ["in_batch", "sampled"])
def test_pretraining(objective: str) -> None:
    model, windows = made("MMM4Rec", "repaired", NO_TIME, stage="pretrain", objective=objective), samples()
    loss, expected = gradients(model, [windows.cut()])
    found, grads = gradients(model, [in_one_pass(windows)])
    assert found == pytest.approx(loss, rel=1e-5)
    assert_gradients_agree(grads, expected)


def test_long_histories_are_read_in_chunks() -> None:
    model, windows = made("SASRecT", "repaired", {}), samples(events=(40, 1, 2, LENGTH + 2))
    batch = in_one_pass(windows)
    table, item_seq = model.item_table(), batch["item_id_list"]
    users = model._users(table, item_seq, batch)
    assert len(users) == len(windows)
    for user, (row, position) in zip(users, batch[READ_AT].tolist(), strict=True):
        history = item_seq[[row], : position + 1]
        alone = model.encode(table, history, torch.tensor([position + 1]), [])
        assert_agrees(user, alone[0], "a target", 1e-6)


def test_every_model_is_allowed_or_says_why_not() -> None:
    allowed, reasons = {name for name, *_ in ALLOWED}, {}
    for name, module in our_models().items():
        kind = getattr(importlib.import_module(module), name)
        config = builders.settings(name, positions="all", **SMALL)
        try:
            check_positions(kind, config, has_time=True)
        except UserError as error:
            reasons[name] = str(error)
    assert reasons.keys() | allowed == our_models().keys()
    assert reasons.keys() & allowed == {"HM4SR", "MMM4Rec", "TiM4Rec", "TiM4RecT"}  # by a key of theirs
    assert {reason.count("\n") for reason in reasons.values()} == {0}


REFUSED = [
    ("SASRecT", {"positions": "first"}, "positions: 'first' is not one of last, all"),
    ("BSARec", {}, "needs a causal encoder, and BSARec has a frequency filter over the whole history"),
    ("MMSRec", {}, "MMSRec reads histories in both directions"),
    ("MISSRec", {}, "MISSRec reads the interests of the whole history"),
    ("HM4SR", {}, "HM4SR has a loss over whole histories; pcl_weight: 0 switches it off"),
    ("HM4SR", ONE_LOSS | {"category_field": "kind"}, "whole histories; cp_weight: 0 switches it off"),
    ("UniSRec", {"stage": "pretrain"}, "pre-training of UniSRec has its own losses, of whole histories"),
    ("SASRec", {}, "unknown key 'positions' for SASRec"),
]


@pytest.mark.parametrize(("model", "values", "message"), REFUSED)
@pytest.mark.usefixtures("in_tmp")
def test_what_cannot_be_is_refused_before_any_data_is_read(
    model: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        RunConfig(model, "ml-100k", config_dict={"positions": "all"} | values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["MMM4Rec", "TiM4Rec"])
def test_a_time_branch_is_refused_once_there_are_times(name: str) -> None:
    RunConfig(name, "ml-100k", config_dict={"positions": "all"})
    with pytest.raises(UserError, match=f"{name} has a time branch over the whole history; time_branch: c"):
        build(name, positions="all", n_groups=2)


def test_a_model_of_another_package_says_nothing_of_it() -> None:
    kind = type("Foreign", (), {})
    with pytest.raises(UserError, match="needs a causal encoder, and Foreign does not say that it has one"):
        check_positions(kind, builders.Settings(positions="all"))
    check_positions(kind, builders.Settings())

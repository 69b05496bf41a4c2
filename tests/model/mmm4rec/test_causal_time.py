"""Key time_branch: causal. What comes later changes nothing; its filter; what other weights are told."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from recbole_mmm4rec.model.mmm4rec.causal_filter import CausalFilter
from recbole_mmm4rec.training.checkpoint import describe, write_checkpoint
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.model.mmm4rec.test_mmm4rec import LENGTH, make, make_batch
from tests.model.mmm4rec.test_mmm4rec_transfer import dataset_of

CAUSAL: dict[str, Any] = {"time_branch": "causal", "num_layers": 2}
FIDELITIES = ["repaired", "reference", "improved"]


def every_position(model: MMM4Rec, batch: Any) -> Tensor:
    return model.encode_positions(model.item_table(), batch["item_id_list"], model.context(batch))


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_a_later_item_or_time_changes_no_earlier_output(fidelity: str) -> None:
    model, batch = make(fidelity, **CAUSAL), make_batch([LENGTH, LENGTH, 3])
    before = every_position(model, batch)
    for position in range(1, LENGTH):
        for column, change in (("item_id_list", -1), ("timestamp_list", 3e6)):
            changed = make_batch([LENGTH, LENGTH, 3])
            changed[column] = changed[column].clone()
            changed[column][:, position] = (changed[column][:, position] + change).abs()
            after = every_position(model, changed)
            assert torch.equal(after[:, :position], before[:, :position]), (column, position)
            assert not torch.equal(after[:, position:], before[:, position:]), (column, position)


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_equal_times_have_ordinary_values_and_gradients(fidelity: str) -> None:
    model, batch = make(fidelity, initializer_range=0.02, **CAUSAL), make_batch([1, 2, LENGTH, LENGTH])
    times = batch["timestamp_list"] = batch["timestamp_list"].clone()
    times[2] = times[2, 0]
    times[3, 1:4] = times[3, 0]
    assert torch.isfinite(every_position(model, batch)).all()
    model.calculate_loss(batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.abs().max() < 1e3, name


@pytest.mark.parametrize("length", [1, 2, 9])
def test_the_filter_is_a_sum_over_the_past(length: int) -> None:
    torch.manual_seed(0)
    filters = CausalFilter(length, heads=2)
    text, image = (torch.randn(3, 2, length, requires_grad=True) for _ in range(2))
    filters.initialise()
    torch.testing.assert_close(filters(text, image), (text + image) / 2)
    for parameter in filters.parameters():
        torch.nn.init.normal_(parameter)
    slow = torch.zeros(3, 2, length)
    for conv, stream in ((filters.text, text), (filters.image, image)):
        for t in range(length):
            slow[..., t] = slow[..., t] + conv.bias
            for s in range(t + 1):
                slow[..., t] = slow[..., t] + conv.weight[:, 0, length - 1 - (t - s)] * stream[..., s]
    fast = filters(text, image)
    torch.testing.assert_close(fast, slow)
    wanted = [text, image, *filters.parameters()]
    for found, expected in zip(
        torch.autograd.grad(fast.square().sum(), wanted),
        torch.autograd.grad(slow.square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def saved(model: MMM4Rec, path: Path, **signature: Any) -> str:
    tokens = [str(number) for number in range(model.n_items)]
    described = describe({"model": "MMM4Rec"}, model, tokens, {})
    content = {"state_dict": model.state_dict(), "optimizer": None, "training": None}
    write_checkpoint(path, described | content | signature)
    return str(path)


def test_weights_move_between_models_of_one_branch_only(tmp_path: Path) -> None:
    source, target = make(**CAUSAL), make(**CAUSAL)
    path, data = saved(source, tmp_path / "causal.pth"), dataset_of(source.n_items)
    for parameter in target.time_layers.parameters():
        torch.nn.init.normal_(parameter)
    load_pretrained(target, path, data)
    for name, value in target.time_layers.state_dict().items():
        assert torch.equal(value, source.time_layers.state_dict()[name]), name
    with pytest.raises(UserError, match="time_branch is causal in the checkpoint and paper here"):
        load_pretrained(make(num_layers=2), path, data)
    load_pretrained(make(num_layers=2, use_time=False), path, data)


def test_a_branch_that_is_not_there_is_refused_before_any_data_is_read() -> None:
    with pytest.raises(UserError, match="time_branch: 'both' is not one of paper, causal"):
        RunConfig("MMM4Rec", "ml-100k", config_dict={"time_branch": "both"})
    assert make(time_branch=None).time_branch == "paper"  # settings from before there was a choice

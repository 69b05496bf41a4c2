"""An evaluation maps the items once; every user has the vector that maps of each position give."""

from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.nn import item_stream
from recbole_mmm4rec.nn.item_stream import KeptTable
from tests.golden import assert_agrees
from tests.model.mmm4rec.test_mmm4rec import ITEMS, LENGTHS, SWITCHES, make, make_batch


def users_of_an_evaluation(model: Any, batch: Any) -> Tensor:
    with torch.no_grad(), model.shared_item_table(histories=ITEMS):
        assert isinstance(model._full_table(), KeptTable)
        model.user_vectors(batch)
        return model.user_vectors(batch)  # the maps are those of the first time


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_users_are_those_of_maps_of_each_position(switches: dict[str, Any], lengths: list[int]) -> None:
    model, batch = make(**switches), make_batch(lengths)
    assert_agrees(users_of_an_evaluation(model, batch), model.user_vectors(batch), "users")


def test_maps_that_would_be_too_large_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = make(), make_batch([3, 1, 5])
    expected = model.user_vectors(batch)
    monkeypatch.setattr(item_stream, "LARGEST", 0)
    with torch.no_grad(), model.shared_item_table(histories=ITEMS):
        users, table = model.user_vectors(batch), model._full_table()
        assert [*table._kept] == ["inputs"]
    assert_agrees(users, expected, "users")


def test_the_next_evaluation_has_the_weights_of_its_time() -> None:
    model, batch = make(), make_batch([3, 1, 5])
    before = users_of_an_evaluation(model, batch)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    after = users_of_an_evaluation(model, batch)
    assert not torch.allclose(before, after, atol=1e-3)
    assert_agrees(after, model.user_vectors(batch), "users")


def test_a_few_histories_map_no_catalogue() -> None:
    model = make()
    with torch.no_grad(), model.shared_item_table(histories=ITEMS - 1):
        assert not isinstance(model._full_table(), KeptTable)


def test_training_keeps_no_maps_and_draws_dropout_anew() -> None:
    model, batch = make(dropout_prob=0.5).train(), make_batch([3, 1, 5])
    with model.shared_item_table(histories=ITEMS):
        assert not isinstance(model._full_table(), KeptTable)
    with torch.no_grad(), model.shared_item_table(histories=ITEMS):
        assert not torch.equal(model.user_vectors(batch), model.user_vectors(batch))
        assert not model._full_table()._kept

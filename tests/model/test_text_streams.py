"""Text variants of encoders without positions, where some items have no text."""

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.model.mamba4rec import Mamba4RecT
from recbole_mmm4rec.model.tim4rec.tim4rec import TiM4RecT
from tests.model import builders

ITEMS, WIDTH = 12, 16
ABSENT = torch.tensor([3, 7])


def made(kind: type, **changes: object) -> torch.nn.Module:
    torch.manual_seed(0)
    present = (torch.arange(ITEMS) > 0).index_fill(0, ABSENT, False)
    text = builders.feature(torch.randn(ITEMS, 6), present)
    small = {"hidden_size": WIDTH, "inner_size": WIDTH, "head_dim": 8, "d_state": 4, "n_groups": 1}
    sizes = small | {"num_layers": 1, "dropout_prob": 0.0, "MAX_ITEM_LIST_LENGTH": 4}
    return kind(builders.settings(kind.__name__, **sizes | changes), builders.dataset(ITEMS, text=text))


def histories() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    times = torch.tensor([[1.0e9, 1.1e9, 0, 0], [1.0e9, 1.2e9, 0, 0]])
    return torch.tensor([[3, 4, 0, 0], [5, 7, 0, 0]]), torch.tensor([2, 2]), torch.tensor([6, 8]), times


@pytest.mark.parametrize("kind", [Mamba4RecT, TiM4RecT])
def test_a_row_of_its_own_stands_for_an_absent_text_and_goes_on_learning(kind: type) -> None:
    model = made(kind, item_ids=True)
    assert not len(model.absent)
    rows = model.table.item_bias["text"]
    assert rows[ABSENT].any(1).all()
    assert not rows[torch.tensor([1, 2, 4, 5, 6])].any()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        before = rows.detach().clone()
        optimiser.zero_grad()
        model.calculate_loss(builders.batch(*histories())).backward()
        assert rows.grad[ABSENT].abs().max() < 10
        optimiser.step()
        assert (rows[ABSENT] != before[ABSENT]).any(1).all()


@pytest.mark.parametrize("kind", [Mamba4RecT, TiM4RecT])
def test_without_rows_one_vector_stands_for_absent_texts(kind: type) -> None:
    model = made(kind)
    assert list(model.absent) == ["text"]
    model.calculate_loss(builders.batch(*histories())).backward()
    assert model.absent["text"].vector.grad.abs().sum() > 0

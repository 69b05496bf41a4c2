"""FDSA with text features against the UniSRec repository's."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.fdsat import FDSAT
from tests.golden import golden_files, load
from tests.model import agreement, builders, released_names


def convert(state: Any) -> Any:
    return released_names.rename(state, released_names.FDSA)


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("fdsa*"))
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    sizes = agreement.transformer_sizes(golden)
    model = agreement.build(FDSAT, golden, convert, num_buckets=buckets, **sizes)
    loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden))
    agreement.assert_gradients_agree(model, loss, convert(golden.grad))


def test_text_moves_users_but_not_candidates() -> None:
    text = torch.randn(30, 12)
    config = builders.settings("FDSAT", hidden_size=32)
    models = []
    for matrix in (text, text * 2):
        torch.manual_seed(0)
        models.append(FDSAT(config, builders.dataset(30, text=builders.feature(matrix))).eval())
    batch = builders.batch(torch.tensor([[3, 4, 0]]), torch.tensor([2]), torch.tensor([9]))
    users = [model.user_vectors(batch) for model in models]
    assert torch.equal(models[0].item_matrix(), models[1].item_matrix())
    assert not torch.allclose(users[0], users[1])
    assert torch.equal(models[1].texts.features["text"].matrix[1:], 2 * text[1:])


def test_without_text_the_error_names_the_file() -> None:
    with pytest.raises(UserError, match=r"none\.text\.parquet"):
        FDSAT(builders.settings("FDSAT"), builders.dataset(30))

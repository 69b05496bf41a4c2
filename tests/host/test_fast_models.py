"""RecBole's models on trimmed histories in groups of similar length, against RecBole's own classes."""

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.utils import init_seed

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import FAST, ORIGINAL, find_model
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.loading import load_data_and_model
from recbole_mmm4rec.quick_start.training_run import build_model
from recbole_mmm4rec.training.evaluation import FullRanking

USERS, ITEMS, LENGTH = 40, 50, 9
ZERO = dict.fromkeys(("hidden_dropout_prob", "attn_dropout_prob", "dropout_prob"), 0.0)
ATTENTIVE: dict[str, Any] = {"inner_size": 24, "n_heads": 2, "initializer_range": 0.3}
FEATURES = {"selected_features": ["kinds", "brand"]}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("SASRec", ATTENTIVE),
    ("SASRec", ATTENTIVE | {"hidden_act": "swish", "n_layers": 1}),
    ("SASRec", ATTENTIVE | {"loss_type": "BPR"}),
    ("GRU4Rec", {"embedding_size": 12}),
    ("GRU4Rec", {"embedding_size": 12, "num_layers": 2, "loss_type": "BPR"}),
    ("BERT4Rec", ATTENTIVE | {"mask_ratio": 0.4}),
    ("BERT4Rec", ATTENTIVE | {"mask_ratio": 0.4, "loss_type": "BPR"}),
    ("FDSA", ATTENTIVE | FEATURES),
    ("FDSA", ATTENTIVE | FEATURES | {"pooling_mode": "sum", "loss_type": "BPR"}),
]
each_variant = pytest.mark.parametrize(
    ("name", "values"), VARIANTS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(VARIANTS)]
)
MODELS = dict(reversed(VARIANTS))
each_model = pytest.mark.parametrize(("name", "values"), MODELS.items(), ids=list(MODELS))


@pytest.fixture(autouse=True)
def _data(in_tmp: Path) -> None:
    """Histories of 1 to 14 items, of which the last nine are read; items of some kinds and a brand."""
    folder, rng = in_tmp / "atomic_data" / "kinds", np.random.default_rng(0)
    folder.mkdir(parents=True)
    rows = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(USERS):
        for moment, item in enumerate(rng.integers(0, ITEMS, rng.integers(4, 16))):
            rows.append(f"u{user}\ti{item}\t{moment}")
    (folder / "kinds.inter").write_text("\n".join(rows) + "\n")
    items = ["item_id:token\tkinds:token_seq\tbrand:token"]
    for item in range(ITEMS):
        kinds = " ".join(f"k{kind}" for kind in range(item % 4))
        items.append(f"i{item}\t{kinds}\t{f'b{item % 7}' if item % 9 else ''}")
    (folder / "kinds.item").write_text("\n".join(items) + "\n")


def settings(**values: Any) -> dict[str, Any]:
    common = {
        "hidden_size": 16,
        "MAX_ITEM_LIST_LENGTH": LENGTH,
        "train_batch_size": 64,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "kinds", "brand"]},
        "show_progress": False,
    }
    return common | values


def made(name: str, values: dict[str, Any], code: str) -> tuple[Any, Any, Any]:
    """The model without dropout, and the batches of training and validation."""
    config = RunConfig(name, "kinds", config_dict=settings(**values, recbole_code=code))
    for key, zero in ZERO.items():
        if key in config.final_config_dict:
            config[key] = zero
    init_seed(config["seed"], True)
    train, valid, _ = prepare_loaders(config, create_dataset(config))
    model = build_model(config, train._dataset)
    random.seed(1)  # BERT4Rec's masks
    return model, list(train), [batch[0] for batch in valid]


def pair(name: str, values: dict[str, Any]) -> tuple[Any, Any]:
    return made(name, values, FAST), made(name, values, ORIGINAL)


@each_variant
def test_loss_gradients_and_first_values_are_recboles(name: str, values: dict[str, Any]) -> None:
    (fast, batches, _), (original, same, _) = pair(name, values)
    assert type(original).__module__.startswith("recbole.")
    assert isinstance(fast, type(original))
    assert len(batches) == len(same) > 3
    assert list(fast.state_dict()) == list(original.state_dict())
    for key, value in fast.state_dict().items():
        torch.testing.assert_close(value, original.state_dict()[key], rtol=0, atol=0)
    for batch, other in zip(batches, same, strict=True):
        assert all(torch.equal(batch[key], other[key]) for key in other.columns)
        losses = [model.calculate_loss(part) for model, part in ((fast, batch), (original, other))]
        torch.testing.assert_close(losses[0], losses[1], rtol=2e-5, atol=1e-5)
        for loss in losses:
            loss.backward()
    for (key, own), theirs in zip(fast.named_parameters(), original.parameters(), strict=True):
        scale = float(theirs.grad.abs().max())
        assert scale > 0, key
        torch.testing.assert_close(own.grad, theirs.grad, rtol=1e-3, atol=1e-5 * max(1.0, scale), msg=key)


@each_variant
def test_scores_are_recboles(name: str, values: dict[str, Any]) -> None:
    (fast, _, batches), (original, _, _) = pair(name, values)
    for batch in batches:
        expected = original.eval().full_sort_predict(batch).view(len(batch), -1)
        scale = float(expected.abs().max())
        close = {"rtol": 1e-4, "atol": 1e-5 * max(1.0, scale)}
        torch.testing.assert_close(fast.eval().full_sort_predict(batch), expected, **close)
        torch.testing.assert_close(fast.user_vectors(batch) @ fast.item_matrix().T, expected, **close)
        torch.testing.assert_close(fast.predict(batch), original.predict(batch), **close)


@each_model
def test_ranks_are_those_of_all_scores(name: str, values: dict[str, Any]) -> None:
    fast, _, batches = made(name, values, FAST)
    for batch in batches:
        with torch.no_grad():
            places = FullRanking(fast.eval(), fast.n_items, 10, 7).places(batch, batch["item_id"])
            scores = fast.full_sort_predict(batch)
        own = scores.gather(1, batch["item_id"].unsqueeze(1))
        torch.testing.assert_close(places[:, 0], (scores[:, 1:] > own + 1e-6).sum(1))


@each_model
@pytest.mark.parametrize("code", [FAST, ORIGINAL])
def test_checkpoints_load_both_ways(name: str, values: dict[str, Any], code: str) -> None:
    options = settings(**values, epochs=1, recbole_code=code, topk=[5], valid_metric="NDCG@5")
    result = run(name, "kinds", config_dict=options)
    config, model, dataset, *_, test = load_data_and_model(result["checkpoint"])
    assert type(model) is find_model(name, code)
    other = find_model(name, ORIGINAL if code == FAST else FAST)(config, dataset)
    other.load_state_dict(model.state_dict())
    batch = next(iter(test))[0]
    expected = model.eval().full_sort_predict(batch).view(len(batch), -1)
    found = other.eval().full_sort_predict(batch).view(len(batch), -1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_dropout_is_switched_with_the_model() -> None:
    config = RunConfig("SASRec", "kinds", config_dict=settings(**ATTENTIVE))
    train = prepare_loaders(config, create_dataset(config))[0]
    model, batch = build_model(config, train._dataset), next(iter(train))
    losses = [model.train().calculate_loss(batch) for _ in range(2)]
    assert not torch.equal(*losses)
    losses = [model.eval().calculate_loss(batch) for _ in range(2)]
    assert torch.equal(*losses)


def test_a_copy_computes_with_its_own_parameters() -> None:
    model, batches, _ = made("SASRec", ATTENTIVE, FAST)
    twin = deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert twin.calculate_loss(batches[0]) != model.calculate_loss(batches[0])
    twin.calculate_loss(batches[0]).backward()
    assert all(parameter.grad is not None for parameter in twin.parameters())


def test_a_batch_without_a_masked_item_has_no_loss() -> None:
    model, batches, _ = made("BERT4Rec", ATTENTIVE, FAST)
    batch = batches[0]
    batch[model.MASK_INDEX] = torch.zeros_like(batch[model.MASK_INDEX])
    loss = model.calculate_loss(batch)
    loss.backward()
    assert loss == 0


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(UserError, match="recbole_code"):
        RunConfig("SASRec", "kinds", config_dict=settings(recbole_code="slow"))

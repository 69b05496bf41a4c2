"""What holds for every baseline, whatever it computes."""

import copy
import importlib
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models
from tests.golden import assert_agrees, assert_gradients_agree
from tests.model import builders

N, LENGTH = 40, 8
SMALL = {
    "hidden_size": 32,
    "inner_size": 24,
    "head_dim": 16,
    "n_exps": 2,
    "code_dim": 4,
    "code_cap": 8,
    "d_state": 8,
    "mask_ratio": 0.0,  # MMSRec guesses the target alone
    "item_mm_fusion": "static",  # MISSRec's scores are products
    "regulariser_weight": 0.0,
    "seed": 0,
}
BASELINES = [
    *("BSARec", "FDSAT", "Mamba4Rec", "Mamba4RecT", "S3RecT", "SASRecT", "TiM4Rec", "TiM4RecT"),
    *("UniSRec", "VQRec", "ZESRec"),
    *("M3Rec", "MMSRec", "MISSRec", "HM4SR"),
]
INDEPENDENT_OF_THE_BATCH = [  # the released MMSRec is not: its positions count from the batch's edge
    (name, fidelity)
    for name in BASELINES
    for fidelity in ("repaired", "reference")
    if (name, fidelity) != ("MMSRec", "reference")
]
CROSS_ENTROPY_ALONE = {"idcl_weight": 0.0, "pcl_weight": 0.0}  # HM4SR has losses beside it, with draws


def features() -> dict[str, Any]:
    """A few items have no text, most have no picture."""
    generator = torch.Generator().manual_seed(0)
    text = builders.feature(torch.randn(N, 12, generator=generator), torch.arange(N) > 3)
    image = builders.feature(torch.randn(N, 10, generator=generator), torch.arange(N) % 3 == 1)
    return {"text": text, "image": image}


def build(name: str, fidelity: str = "repaired", events: Any = None, **changes: Any) -> Any:
    """The model over those features; ``events`` is what its dataset gives where a model counts."""
    torch.manual_seed(0)
    model_class = getattr(importlib.import_module(our_models()[name]), name)
    config = builders.settings(name, fidelity, MAX_ITEM_LIST_LENGTH=LENGTH, **SMALL | changes)
    usable = {n: f for n, f in features().items() if n == "text" or n in model_class.modalities}
    data = builders.dataset(N, **usable)
    if events is not None:
        data.events = events
    return model_class(config, data)


def batch(rows: int = 11) -> Any:
    """Lengths from 1 to the longest, both among them."""
    lengths = [1, LENGTH, *torch.randint(1, LENGTH + 1, (rows - 2,)).tolist()]
    return builders.random_batch(lengths, N, LENGTH)


@pytest.mark.parametrize("name", BASELINES)
def test_scores_are_products_of_user_vectors_and_item_matrix(name: str) -> None:
    model, data = build(name).eval(), batch()
    scores = model.full_sort_predict(data)
    assert scores.shape == (11, N)
    assert_agrees(model.user_vectors(data) @ model.item_matrix().T, scores, "scores", 1e-6)
    assert_agrees(model.predict(data), scores[torch.arange(11), data["item_id"]], "predict", 1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_the_loss_is_the_cross_entropy_over_items_without_the_pad(name: str) -> None:
    model, data = build(name, **CROSS_ENTROPY_ALONE).eval(), batch()
    expected = torch.nn.functional.cross_entropy(model.full_sort_predict(data)[:, 1:], data["item_id"] - 1)
    assert_agrees(model.calculate_loss(data), expected, "loss", 1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_buckets_change_nothing(name: str) -> None:
    model, data = build(name, **CROSS_ENTROPY_ALONE).eval(), batch()
    results = []
    for buckets in (1, 2, 5):
        model.num_buckets = buckets
        model.zero_grad()
        model.calculate_loss(data).backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        results.append((model.user_vectors(data), grads))
    for users, grads in results[1:]:
        assert_agrees(users, results[0][0], "user vectors", 1e-5)
        assert_gradients_agree(grads, results[0][1])


@pytest.mark.parametrize("lengths", [[1], [LENGTH, LENGTH], [1, LENGTH, 3]], ids=str)
@pytest.mark.parametrize(("name", "fidelity"), INDEPENDENT_OF_THE_BATCH)
def test_trimming_and_the_rest_of_the_batch_change_no_user(
    name: str, fidelity: str, lengths: list[int]
) -> None:
    model = build(name, fidelity).eval()
    data, wide = (builders.random_batch(lengths, N, LENGTH, width=width) for width in (None, LENGTH))
    users = model.user_vectors(data)
    tolerance = 1e-6 if name == "M3Rec" else 1e-5
    assert_agrees(model.user_vectors(wide), users, "users at full width", tolerance)
    for row in range(len(lengths)):
        assert_agrees(model.user_vectors(data[[row]]), users[[row]], "a user alone", 1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_items_without_features_leave_the_first_gradients_in_bounds(name: str) -> None:
    deep = {"num_layers": 4, "n_layers": 4, "n_encoder_layers": 4}
    model = build(name, **CROSS_ENTROPY_ALONE, **deep)
    data = builders.random_batch([1, 2, LENGTH, 3], 4, LENGTH)  # of items 1 to 3, which have no text
    model.calculate_loss(data).backward()
    largest = {n: p.grad.abs().max().item() for n, p in model.named_parameters() if p.grad is not None}
    assert all(value < 100 for value in largest.values()), largest


@pytest.mark.parametrize("name", BASELINES)
def test_bf16_products_stay_near(name: str) -> None:
    model, data = build(name, **CROSS_ENTROPY_ALONE).eval(), batch()
    exact = model.calculate_loss(data)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.calculate_loss(data)
    loss.backward()
    assert_agrees(loss.float(), exact, "loss", 3e-2)
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", BASELINES)
def test_features_are_neither_saved_nor_copied_nor_changed(name: str) -> None:
    model = build(name)
    twin = copy.deepcopy(model)
    pairs = zip(model.named_buffers(), twin.named_buffers(), strict=True)
    frozen = [(n, a, b) for (n, a), (_, b) in pairs if n.endswith(".matrix")]
    assert all(a.data_ptr() == b.data_ptr() for _, a, b in frozen)
    assert not [n for n in model.state_dict() if "matrix" in n or "present" in n]
    for buffer, matrix, _ in frozen:
        assert torch.equal(matrix, features()["image" if "image" in buffer else "text"].matrix)


@pytest.mark.parametrize("name", BASELINES)
def test_every_trainable_parameter_learns_and_is_optimised_once(name: str) -> None:
    model, data = build(name), batch()
    model.calculate_loss(data).backward()
    silent = {n for n, p in model.named_parameters() if p.grad is None}
    assert silent <= {"table.mask.weight"}  # S3-Rec's mask token is for pre-training
    grouped = [id(p) for group in model.parameter_groups(0.1) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("TiM4Rec", "conv_activation"),
        ("TiM4Rec", "gap_norm"),
        ("BSARec", "padding"),
        ("VQRec", "code_index"),
        ("S3RecT", "pretrain_padding"),
        *(
            (name, "missing_modality")
            for name in ("SASRecT", "FDSAT", "UniSRec", "M3Rec", "MISSRec", "HM4SR")
        ),
        ("HM4SR", "category_index"),
    ],
)
def test_an_unknown_choice_is_one_clear_error(name: str, key: str) -> None:
    with pytest.raises(UserError, match=f"{key}: 'other' is not one of "):
        build(name, **{key: "other"})


@pytest.mark.parametrize("name", BASELINES)
def test_it_overfits_a_batch(name: str) -> None:
    changes = dict.fromkeys(("dropout_prob", "hidden_dropout_prob", "attn_dropout_prob"), 0.0)
    model, data = build(name, adaptor_dropout_prob=0.0, **changes | CROSS_ENTROPY_ALONE), batch()
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    first = model.calculate_loss(data).item()
    for _ in range(40):
        optimiser.zero_grad()
        loss = model.calculate_loss(data)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3 * first

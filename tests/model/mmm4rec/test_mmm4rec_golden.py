"""``fidelity: reference`` computes what the released code computes: users, scores, loss, every gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import builders

FILES = golden_files("mmm4rec-*")


def build(golden: Golden, **changes: Any) -> MMM4Rec:
    """The model of a golden file, with its parameters."""
    h = golden.meta["hyperparameters"]
    text, image = golden.input["text_features"], golden.input["image_features"]
    names = ["hidden_size", "inner_size", "num_layers", "d_state", "n_groups", "d_conv", "expand", "head_dim"]
    config = builders.settings(
        "MMM4Rec",
        "reference",
        **{name: h[name] for name in names},
        norm_eps=float(h["norm_eps"]),
        use_time=h["is_time"],
        item_bias=h["is_modality_bias"],
        item_mm_fusion=h["item_mm_fusion"],
        temperature=h["temperature"],
        MAX_ITEM_LIST_LENGTH=h["max_len"],
        stage="pretrain" if golden.meta["loss"] == "in_batch" else "finetune",
        **changes,
    )
    data = builders.dataset(len(text), text=builders.feature(text), image=builders.feature(image))
    model = MMM4Rec(config, data)
    model.load_state_dict(MMM4Rec.convert_released(golden.param))
    return model.eval()


def interaction(golden: Golden) -> Any:
    i = golden.input
    return builders.batch(i["item_seq"], i["item_seq_len"], i["pos_items"], i["timestamps"])


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", FILES)
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model, batch = build(golden, num_buckets=buckets), interaction(golden)
    assert_agrees(model.user_vectors(batch), golden.output["user"], "user vectors")

    scores = model.full_sort_predict(batch)
    if golden.meta["loss"] == "in_batch":
        scores = scores[:, golden.input["pos_items"]]
    assert_agrees(scores, golden.output["scores"], "scores")

    loss = model.calculate_loss(batch)
    assert_agrees(loss, golden.output["loss"], "loss")
    loss.backward()
    expected = MMM4Rec.convert_released(golden.grad)
    actual = {name: p.grad for name, p in model.named_parameters()}
    assert actual.keys() == expected.keys()
    for name, grad in expected.items():
        assert_agrees(torch.zeros_like(grad) if actual[name] is None else actual[name], grad, name)


@pytest.mark.parametrize("path", FILES)
def test_every_entry_of_a_released_state_is_used(path: Path) -> None:
    golden = load(path)
    assert MMM4Rec.convert_released(golden.param).keys() == build(golden).state_dict().keys()

"""BSARec, both paddings, against the released code."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.bsarec import BSARec
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, released_names


def build(golden: Golden, **changes: Any) -> Any:
    sizes = agreement.transformer_sizes(golden) | {name: golden.hyper[name] for name in ("c", "alpha")}
    side = "left" if golden.meta["padding"].startswith("left") else "right"
    return agreement.build(BSARec, golden, released_names.bsarec, padding=side, **sizes, **changes)


def right_padded(golden: Golden) -> Any:
    """The data layer pads on the right, whatever the model does."""
    if "input_ids" not in golden.input:
        return agreement.interaction(golden)
    ids = golden.input["input_ids"]
    lengths = (ids > 0).sum(1)
    rows = [torch.cat([row[row > 0], row[row == 0]]) for row in ids]
    return builders.batch(torch.stack(rows)[:, : lengths.max()], lengths, golden.input["pos_items"])


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("bsarec*"))
def test_agrees_with_the_released_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model = build(golden, num_buckets=buckets)
    loss = agreement.assert_outputs_agree(model, golden, right_padded(golden))
    grads = released_names.bsarec(golden.grad)
    # adding -1e4 to all scores of a pad before the first item rounds them to a thousandth on both sides
    tolerance = 1e-3 if "input_ids" in golden.input else 1e-4
    agreement.assert_gradients_agree(model, loss, grads, tolerance)


@pytest.mark.parametrize("path", golden_files("bsarec*", "output.layer0"))
def test_every_layer_agrees_at_every_position(path: Path) -> None:
    golden = load(path)
    model, i, o = build(golden), golden.input, golden.output
    item_seq = i["item_seq"] if "item_seq" in i else i["input_ids"]
    x, length = model.encoder.input(model.item_table()["item"][item_seq]), item_seq.shape[1]
    if "filter0_in" in o:
        assert_agrees(x, o["filter0_in"], "input of the filter")
        assert_agrees(model.encoder.layers[0].filter(x), o["filter0_out"], "filter")
    seen = (item_seq > 0)[:, None, None] & torch.ones(length, length, dtype=torch.bool).tril()
    # a pad before the first item sees nothing: adding -1e4 costs the scores it looks at their last digits
    tolerance = 1e-4 if seen.any(-1).all() else 1e-3
    for number, layer in enumerate(model.encoder.layers):
        x = layer(x, torch.where(seen, 0.0, -1e4))
        assert_agrees(x, o[f"layer{number}"], f"layer {number}", tolerance)


@pytest.mark.parametrize("padding", ["left", "right"])
def test_users_do_not_depend_on_the_width_of_the_batch(padding: str) -> None:
    config = builders.settings("BSARec", padding=padding, MAX_ITEM_LIST_LENGTH=7)
    model = BSARec(config, builders.dataset(30)).eval()
    lengths, targets = torch.tensor([2]), torch.tensor([9])
    narrow = model.user_vectors(builders.batch(torch.tensor([[3, 4]]), lengths, targets))
    wide = model.user_vectors(builders.batch(torch.tensor([[3, 4, 0, 0, 0]]), lengths, targets))
    assert torch.allclose(narrow, wide, atol=1e-6)


def test_an_unknown_padding_is_one_clear_error() -> None:
    with pytest.raises(UserError, match="padding: 'middle' is not one of left, right"):
        BSARec(builders.settings("BSARec", padding="middle"), builders.dataset(30))

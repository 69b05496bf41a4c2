"""A released MMM4Rec checkpoint moves into our model through the same door as ours."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.golden import assert_agrees, golden_files, load
from tests.model import builders
from tests.model.mmm4rec.test_mmm4rec_golden import build, interaction

WITH_ID = golden_files("mmm4rec-with-id")
MISFITS = [{"hidden_size": 128}, {"MAX_ITEM_LIST_LENGTH": 12}, {"num_layers": 2}]


def released_file(path: Path, folder: Path) -> Path:
    golden = load(path)
    state = golden.param | {"text_embedding": golden.input["text_features"]}
    twice = {  # the released state lists the shared block a second time
        name.replace("encoder_ssd", "decoder_ssd", 1): value
        for name, value in state.items()
        if name.startswith("encoder_ssd_layers.0.ssd.")
    }
    torch.save({"model": state | twice}, folder / "released.pth")
    return folder / "released.pth"


def fresh(path: Path, n_items: int, **changes: object) -> MMM4Rec:
    """A model of the golden file's sizes for other items, from scratch."""
    torch.manual_seed(1)
    h = load(path).meta["hyperparameters"]
    names = ["hidden_size", "inner_size", "num_layers", "d_state", "n_groups", "d_conv", "expand", "head_dim"]
    sizes = {name: h[name] for name in names} | {"norm_eps": 1e-12, "MAX_ITEM_LIST_LENGTH": h["max_len"]}
    data = builders.dataset(
        n_items,
        text=builders.feature(torch.randn(n_items, 24)),
        image=builders.feature(torch.randn(n_items, 20)),
    )
    return MMM4Rec(builders.settings("MMM4Rec", "reference", **(sizes | changes)), data)


@pytest.mark.parametrize("path", WITH_ID)
def test_everything_but_the_item_tables_moves(path: Path, tmp_path: Path) -> None:
    source, target = build(load(path)), fresh(path, 13)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    load_pretrained(target, str(released_file(path, tmp_path)), dataset_of(13))
    for name, value in target.state_dict().items():
        if name.startswith("table.item_bias."):
            torch.testing.assert_close(value, before[name])
        else:
            torch.testing.assert_close(value, source.state_dict()[name], msg=name)


@pytest.mark.parametrize("path", WITH_ID)
def test_item_tables_move_by_token_when_asked(path: Path, tmp_path: Path) -> None:
    golden = load(path)
    target = fresh(path, 41)
    target.table.features["text"].matrix.copy_(golden.input["text_features"])
    target.table.features["image"].matrix.copy_(golden.input["image_features"])
    load_pretrained(target, str(released_file(path, tmp_path)), dataset_of(41), True)
    scores = target.eval().full_sort_predict(interaction(golden))
    assert_agrees(scores[:, 1:], golden.output["scores"][:, 1:], "scores")


@pytest.mark.parametrize("path", WITH_ID)
@pytest.mark.parametrize("change", MISFITS, ids=str)
def test_what_does_not_fit_is_refused_before_any_weight_moves(
    path: Path, change: dict[str, int], tmp_path: Path
) -> None:
    target = fresh(path, 13, **change)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_pretrained(target, str(released_file(path, tmp_path)), dataset_of(13))
    assert "\n" not in str(caught.value)
    for name, value in target.state_dict().items():
        torch.testing.assert_close(value, before[name])


def dataset_of(n_items: int) -> SimpleNamespace:
    """Items whose sorted tokens are their numbers, the order of a released file's rows."""
    tokens = ["[PAD]", *(f"{number:04d}" for number in range(1, n_items))]
    return SimpleNamespace(
        iid_field="item_id", field2id_token={"item_id": tokens}, id2token=lambda field, ids: tokens[ids]
    )

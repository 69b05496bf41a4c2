"""A released MMM4Rec checkpoint moves into our model through the same door as ours."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.golden import Golden, golden_files, load
from tests.model import builders
from tests.model.mmm4rec.test_mmm4rec_golden import build, settings

TABLES = ("text", "image")
WITH_ID = golden_files("mmm4rec*", "param.text_item_embedding_bias")
MISFITS = ["hidden_size", "MAX_ITEM_LIST_LENGTH", "num_layers"]


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


def fresh(golden: Golden, n_items: int, **changes: object) -> MMM4Rec:
    """A model of the golden file's sizes for other items, from scratch."""
    torch.manual_seed(1)
    widths = {name: golden.input[f"{name}_features"].shape[1] for name in TABLES}
    features = {name: builders.feature(torch.randn(n_items, width)) for name, width in widths.items()}
    config = builders.settings("MMM4Rec", "reference", **(settings(golden) | {"stage": "finetune"} | changes))
    return MMM4Rec(config, builders.dataset(n_items, **features))


@pytest.mark.parametrize("path", WITH_ID)
def test_everything_but_the_item_tables_moves(path: Path, tmp_path: Path) -> None:
    golden = load(path)
    source, target = build(golden), fresh(golden, 13)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    load_pretrained(target, str(released_file(path, tmp_path)), dataset_of(13))
    for name, value in target.state_dict().items():
        if name.startswith(MMM4Rec.item_bound):
            torch.testing.assert_close(value, before[name])
        else:
            torch.testing.assert_close(value, source.state_dict()[name], msg=name)


@pytest.mark.parametrize("path", WITH_ID)
def test_item_tables_move_by_token_when_asked(path: Path, tmp_path: Path) -> None:
    golden = load(path)
    target = fresh(golden, golden.rows)
    for name in TABLES:
        target.table.features[name].matrix.copy_(golden.input[f"{name}_features"])
    load_pretrained(target, str(released_file(path, tmp_path)), dataset_of(golden.rows), True)
    source, moved = build(golden).state_dict(), target.state_dict()
    for name, value in source.items():
        if name != "fusion.logits" or len(value) == golden.rows:  # weights of all items belong to no token
            torch.testing.assert_close(moved[name][1:], value[1:], msg=name)


@pytest.mark.parametrize("path", WITH_ID)
@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_refused_before_any_weight_moves(path: Path, name: str, tmp_path: Path) -> None:
    golden = load(path)
    if name == "MAX_ITEM_LIST_LENGTH" and not settings(golden)["use_time"]:
        return  # without time no weight depends on the length
    target = fresh(golden, 13, **{name: 2 * settings(golden)[name]})
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

import logging

import pytest
import torch
from torch import nn

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import TrainingHooks
from recbole_mmm4rec.training.checkpoint import describe, write_checkpoint
from recbole_mmm4rec.training.transfer import load_pretrained

WIDTH = 4


class Dataset:
    iid_field = "item_id"

    def __init__(self, *tokens):
        self.field2id_token = {"item_id": ["[PAD]", *tokens]}


class Model(TrainingHooks, nn.Module):
    item_bound = ("bias.",)
    frozen_after_transfer: tuple[str, ...] = ()

    def __init__(self, items, layers=1, modalities=("text",), width=WIDTH, history=20, encoder="e"):
        super().__init__()
        self.adapters = nn.ModuleDict({name: nn.Linear(3, width) for name in modalities})
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.bias = nn.ParameterDict({name: torch.randn(items + 1, width) for name in modalities})
        facts = {name: {"dimension": 3, "encoder": encoder} for name in modalities}
        self.signature = {"history_length": history, "features": facts}

    def transfer_signature(self):
        return self.signature

    @classmethod
    def convert_released(cls, state):
        if any(not name.startswith("old_") for name in state):
            raise ValueError("surprise is not an entry of a released MMM4Rec checkpoint")
        return {name.removeprefix("old_"): value for name, value in state.items()}


def save(path, model, *tokens):
    content = {"state_dict": model.state_dict(), "optimizer": None, "training": None}
    write_checkpoint(path, describe({}, model, ["[PAD]", *tokens]) | content)
    return str(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pre.pth"


def test_all_but_item_tables_moves(path):
    there, here = Model(3), Model(5)
    fresh = here.bias["text"].detach().clone()
    report = load_pretrained(here, save(path, there, *"abc"), Dataset(*"vwxyz"))
    for name, value in there.layers.state_dict().items():
        assert torch.equal(here.layers.state_dict()[name], value)
    assert torch.equal(here.adapters["text"].weight, there.adapters["text"].weight)
    assert torch.equal(here.bias["text"], fresh)
    assert sum(report.moved.values()) == WIDTH * 3 + WIDTH + WIDTH * WIDTH + WIDTH
    assert report.left == {"bias.text": 4 * WIDTH}
    assert report.fresh == {"bias.text": 6 * WIDTH}
    assert report.matched_items is None


def test_weights_that_are_not_numbers_are_refused(path):
    there = Model(3)
    torch.nn.init.constant_(there.layers[0].bias, torch.nan)
    with pytest.raises(UserError, match=r"not numbers \(NaN\) in layers.0.bias; its training has diverged"):
        load_pretrained(Model(5), save(path, there, *"abc"), Dataset(*"vwxyz"))


def test_the_log_has_three_short_lists(path, caplog):
    with caplog.at_level(logging.INFO):
        load_pretrained(Model(5), save(path, Model(3), *"abc"), Dataset(*"vwxyz"))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert "moved: adapters (16), layers (20)" in lines[1]
    assert "left behind: bias (16)" in lines[2]
    assert "fresh: bias (24)" in lines[3]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"width": 6}, r"shape of .* is \(.*4.*\) in the checkpoint and \(.*6.*\) here"),
        ({"history": 50}, "history_length is 20 in the checkpoint and 50 here"),
        ({"encoder": "other"}, "encoder of the text features is e in the checkpoint and other here"),
        ({"layers": 2}, "number of layers is 1 in the checkpoint and 2 here"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(path, changed, said):
    here = Model(3, **changed)
    before = {name: value.clone() for name, value in here.state_dict().items()}
    with pytest.raises(UserError, match=said) as caught:
        load_pretrained(here, save(path, Model(3), *"abc"), Dataset(*"abc"))
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in here.state_dict().items())


def test_fewer_layers_are_refused_too(path):
    with pytest.raises(UserError, match="number of layers is 3 in the checkpoint and 1 here"):
        load_pretrained(Model(3), save(path, Model(3, layers=3), *"abc"), Dataset(*"abc"))


def test_all_facts_that_differ_are_named_at_once(path):
    here, there = Model(3, history=50), Model(3)
    here.signature["size"], there.signature["size"] = 16, 64
    said = "history_length is 20 in the checkpoint and 50 here; size is 64 in the checkpoint and 16 here"
    with pytest.raises(UserError, match=said):
        load_pretrained(here, save(path, there, *"abc"), Dataset(*"abc"))


def test_other_feature_width_is_named(path):
    here = Model(3)
    here.signature["features"]["text"]["dimension"] = 768
    with pytest.raises(UserError, match="dimension of the text features is 3 in the checkpoint and 768 here"):
        load_pretrained(here, save(path, Model(3), *"abc"), Dataset(*"abc"))


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ("e", None, "features here is unknown"),
        ("e", "unknown", "features here is unknown"),
        ("unknown", "e", "features in the checkpoint is unknown"),
        ("unknown", "unknown", "features in the checkpoint is unknown"),
        ("e", "e", None),
    ],
)
def test_an_encoder_that_one_side_does_not_know_is_told_and_no_obstacle(path, caplog, there, here, said):
    model = Model(3, encoder=here)
    assert load_pretrained(model, save(path, Model(3, encoder=there), *"abc"), Dataset(*"abc")).moved
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == (said is not None)
    assert all(f"{path}: the encoder of the text {said}" in line for line in told)


@pytest.mark.parametrize(
    ("there", "here", "left", "fresh"),
    [
        (("text", "image"), ("text",), {"image"}, set()),
        (("text",), ("text", "image"), set(), {"image"}),
    ],
)
def test_a_modality_of_one_side_alone(path, there, here, left, fresh):
    report = load_pretrained(
        Model(3, modalities=here), save(path, Model(3, modalities=there), *"abc"), Dataset(*"abc")
    )
    assert {name.split(".")[1] for name in report.left if name.startswith("adapters")} == left
    assert {name.split(".")[1] for name in report.fresh if name.startswith("adapters")} == fresh


def test_nothing_in_common(path):
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.thing = nn.Linear(2, 2)

    with pytest.raises(UserError, match="no weight in common with Other"):
        load_pretrained(Other(), save(path, Model(3), *"abc"), Dataset(*"abc"))


def test_item_tables_by_token_when_asked(path):
    there, here = Model(3), Model(4)
    fresh = here.bias["text"].detach().clone()
    report = load_pretrained(here, save(path, there, *"abc"), Dataset(*"cxab"), load_item_tables=True)
    assert report.matched_items == 3
    source = there.bias["text"]
    for row, expected in enumerate([source[0], source[3], fresh[2], source[1], source[2]]):
        assert torch.equal(here.bias["text"][row], expected)
    assert "bias.text" in report.moved
    assert not report.fresh
    assert report.lines()[-1] == "item tables: 3 items found by token, their rows moved in bias.text"


def test_item_tables_without_a_common_item_stay_fresh(path):
    there, here = Model(3), Model(4)
    fresh = here.bias["text"].detach().clone()
    report = load_pretrained(here, save(path, there, *"abc"), Dataset(*"wxyz"), load_item_tables=True)
    assert torch.equal(here.bias["text"], fresh)
    assert "bias.text" in report.fresh
    assert "bias.text" not in here.moved
    assert report.lines()[-1] == "item tables: 0 items found by token, no row moved"


def test_items_found_without_a_common_table_are_not_said_to_move(path):
    there = Model(3)
    there.bias = nn.ParameterDict()
    report = load_pretrained(Model(3), save(path, there, *"abc"), Dataset(*"abc"), load_item_tables=True)
    assert report.lines()[-1] == "item tables: 3 items found by token, no row moved"


def released(path, model, **more):
    torch.save({"model": {f"old_{n}": v for n, v in model.state_dict().items()} | more}, path)
    return str(path)


def test_released_code_numbers_items_by_rank_of_their_token(path):
    there, here = Model(3), Model(3)
    report = load_pretrained(here, released(path, there), Dataset(*"cab"), load_item_tables=True)
    assert report.matched_items == 3
    assert torch.equal(here.bias["text"], there.bias["text"][[0, 3, 1, 2]])
    assert torch.equal(here.layers[0].weight, there.layers[0].weight)


def test_released_code_without_its_item_tables(path):
    here = Model(7)
    fresh = here.bias["text"].detach().clone()
    load_pretrained(here, released(path, Model(3)), Dataset(*"abcdefg"))
    assert torch.equal(here.bias["text"], fresh)


def test_released_item_tables_of_another_catalogue_are_refused(path):
    with pytest.raises(UserError, match=r"number of rows of bias.text is 4 in the checkpoint and 8 here"):
        load_pretrained(Model(7), released(path, Model(3)), Dataset(*"abcdefg"), load_item_tables=True)


def test_released_code_for_another_model_or_with_unknown_entries(path):
    with pytest.raises(UserError, match="surprise"):
        load_pretrained(Model(3), released(path, Model(3), surprise=torch.ones(1)), Dataset(*"abc"))
    with pytest.raises(UserError, match="another model cannot load"):
        load_pretrained(nn.Linear(2, 2), released(path, Model(3)), Dataset(*"abc"))


def test_parts_can_stay_as_pretrained(path):
    class Frozen(Model):
        frozen_after_transfer = ("layers.",)

    here = Frozen(3)
    report = load_pretrained(here, save(path, Model(3), *"abc"), Dataset(*"abc"))
    assert not any(p.requires_grad for p in here.layers.parameters())
    assert all(p.requires_grad for p in here.adapters.parameters())
    assert set(report.frozen) == {"layers.0.weight", "layers.0.bias"}
    assert any(line == "frozen: layers (20)" for line in report.lines())


def test_what_is_fresh_is_not_frozen(path):
    class Frozen(Model):
        frozen_after_transfer = ("layers.", "extra.")

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.extra = nn.Linear(2, 2)

    here = Frozen(3)
    report = load_pretrained(here, save(path, Model(3), *"abc"), Dataset(*"abc"))
    assert set(report.frozen) == {"layers.0.weight", "layers.0.bias"}
    assert all(p.requires_grad for p in here.extra.parameters())

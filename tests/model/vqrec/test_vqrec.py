"""VQ-Rec: codes, both stages, the permutation."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.vqrec import VQRec
from recbole_mmm4rec.model.vqrec.code_table import CodePermutation
from tests.golden import Golden, assert_agrees, golden_files, load
from tests.model import agreement, builders, released_names

SIZES = ("hidden_size", "inner_size", "n_layers", "n_heads", "code_dim", "code_cap", "temperature")


def build(golden: Golden, **changes: Any) -> Any:
    """The model with the file's codes in place of quantised texts."""
    h, i = golden.hyper, golden.input
    config = builders.settings(
        "VQRec",
        "reference",
        MAX_ITEM_LIST_LENGTH=golden.max_len,
        stage="pretrain" if "replace_mask" in i else "finetune",
        seed=0,
        **{name: h[name] for name in SIZES},
        **changes,
    )
    rows = len(i["codes"])
    model = VQRec(config, builders.dataset(rows, text=builders.feature(torch.randn(rows, 8)))).eval()
    model.load_state_dict(released_names.rename(golden.param, released_names.VQREC), strict=False)
    quantiser = model.table.quantiser
    quantiser.fitted.fill_(True)
    quantiser.encode = lambda matrix: i["raw_codes"]  # type: ignore[method-assign]
    return model


@pytest.mark.parametrize("buckets", [1, 3])
@pytest.mark.parametrize("path", golden_files("vqrec*", "output.scores"))
def test_fine_tuning_agrees_with_the_official_code(path: Path, buckets: int) -> None:
    golden = load(path)
    model = build(golden, num_buckets=buckets)
    assert torch.equal(model.table.rows(), golden.input["codes"])
    assert_agrees(model.vectors(), golden.output["item_emb"], "item vectors")
    loss = agreement.assert_outputs_agree(model, golden, agreement.interaction(golden), model.temperature)
    grads = {n: g for n, g in golden.grad.items() if "/" not in n}
    agreement.assert_gradients_agree(model, loss, released_names.rename(grads, released_names.VQREC))


@pytest.mark.parametrize("path", golden_files("vqrec*", "output.reassigned_table"))
def test_a_reassigned_table_agrees_with_the_official_code(path: Path) -> None:
    golden = load(path)
    model, o = build(golden, pretrained="some.pth"), golden.output
    assert isinstance(model.permutation, CodePermutation)
    table = model.table.codes.embedding.weight
    reassigned = model.permutation(table, golden.input["gumbel_noise"])
    assert_agrees(reassigned, o["reassigned_table"], "reassigned table")
    with torch.no_grad():
        table.copy_(reassigned)
    model.folded.fill_(True)
    renamed = {name.removesuffix("_reassigned"): value for name, value in o.items() if "_reassigned" in name}
    again = Golden("", {}, {}, {}, golden.input, renamed)
    agreement.assert_outputs_agree(model, again, agreement.interaction(golden), model.temperature)


@pytest.mark.parametrize("path", golden_files("vqrec*", "input.replace_mask"))
def test_pre_training_agrees_with_the_official_code(path: Path) -> None:
    golden = load(path)
    model, i, o = build(golden), golden.input, golden.output
    users = model.user_vectors(agreement.interaction(golden))
    assert_agrees(users, o["user_normalised"], "user vectors")
    targets = i["pos_items"]
    negatives = model.synthetic(model.table.rows(targets), i["replace_mask"].bool(), i["random_codes"])
    assert_agrees(negatives, o["negative_item_emb"], "synthetic negatives")
    loss = model.contrastive_loss(users, model.vectors(targets), targets, negatives)
    assert_agrees(loss, o["loss"], "loss")
    agreement.assert_gradients_agree(model, loss, released_names.rename(golden.grad, released_names.VQREC))


def model_of(text: torch.Tensor, present: torch.Tensor | None = None, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = builders.settings("VQRec", code_dim=4, code_cap=8, hidden_size=16, seed=1, **changes)
    return VQRec(config, builders.dataset(len(text), text=builders.feature(text, present)))


def batch() -> Any:
    item_seq, lengths = torch.tensor([[3, 4, 0], [5, 6, 7]]), torch.tensor([2, 3])
    return builders.batch(item_seq, lengths, torch.tensor([9, 10]))


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_it_runs_and_every_part_but_the_quantiser_learns(stage: str) -> None:
    model = model_of(torch.randn(60, 10), stage=stage)
    model.calculate_loss(batch()).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_items_without_text_have_no_codes() -> None:
    present = torch.arange(60) > 20
    rows = model_of(torch.randn(60, 10), present).table.rows()
    assert (rows[:21] == 0).all()
    assert (rows[21:] > 0).all()


def test_items_without_text_score_nothing() -> None:
    present = torch.arange(60) > 20
    model = model_of(torch.randn(60, 10), present).eval()
    assert (model.full_sort_predict(batch())[:, :21] == 0).all()
    assert model.full_sort_predict(batch())[:, 21:].all()


def test_evaluation_sees_the_choice_that_is_kept() -> None:
    changes = {"code_index": "own", "permutation_epochs": 1, "pretrained": "some.pth"}
    model = model_of(torch.randn(60, 10), torch.arange(60) > 20, **changes).eval()
    scores = model.full_sort_predict(batch())
    assert torch.equal(model.full_sort_predict(batch()), scores)
    assert (scores[:, :21] == 0).all()
    model.train().before_epoch(1)
    assert_agrees(model.eval().full_sort_predict(batch()), scores, "scores", 1e-6)


def test_codes_follow_a_loaded_quantiser() -> None:
    source, target = model_of(torch.randn(80, 10)), model_of(torch.randn(60, 10) + 1)
    own = target.table.rows().clone()
    source.table.rows()
    state = target.state_dict()
    for name, value in source.state_dict().items():  # as a transfer does it, past load_state_dict
        state[name].copy_(value)
    moved = target.table.rows()
    expected = source.table.quantiser.encode(target.table.text.matrix[1:])
    assert torch.equal(moved[1:], target.table.codes.rows(expected))
    assert not torch.equal(moved, own)


def test_the_permutation_learns_first_and_the_rest_after_it() -> None:
    model = model_of(
        torch.randn(60, 10),
        code_index="own",
        permutation_epochs=2,
        pretrained="some.pth",
        freeze_encoder=True,
    )
    model.before_epoch(0)
    model.calculate_loss(batch()).backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    assert learning == {"permutation.weight"}
    assert model.permutation.weight.grad.abs().max() > 0
    model.zero_grad()
    model.before_epoch(2)
    assert model.folded
    folded = model.table.codes.embedding.weight.clone()
    model.before_epoch(3)
    assert torch.equal(folded, model.table.codes.embedding.weight)
    model.calculate_loss(batch()).backward()
    learning = {name for name, p in model.named_parameters() if p.grad is not None}
    assert "table.codes.embedding.weight" in learning
    assert not [name for name in learning if name.startswith(("permutation.", "encoder.stack."))]


@pytest.mark.parametrize("epoch", [0, 1], ids=["searched", "folded"])
def test_a_model_without_permutation_takes_up_a_saved_one(epoch: int) -> None:
    text, changes = torch.randn(60, 10), {"code_index": "own", "permutation_epochs": 1}
    saved = model_of(text, pretrained="some.pth", **changes)
    saved.before_epoch(0)
    saved.before_epoch(epoch)
    expected = saved.eval().full_sort_predict(batch())
    assert bool(saved.folded) is (epoch == 1)
    loaded = model_of(text + 1, **changes)
    assert loaded.permutation is None
    loaded.load_state_dict(saved.state_dict())
    loaded.table.text.matrix.copy_(saved.table.text.matrix)
    assert torch.equal(loaded.eval().full_sort_predict(batch()), expected)
    plain = model_of(text, **changes)
    plain.load_state_dict(plain.state_dict())
    assert plain.permutation is None


def test_an_own_index_does_not_move_and_a_shared_one_does() -> None:
    text = torch.randn(60, 10)
    assert not [name for name in model_of(text).state_dict() if name.startswith(model_of(text).item_bound)]
    assert "table.quantiser." in model_of(text, code_index="own").item_bound
    with pytest.raises(UserError, match="code_index: 'mine' is not one of pretrained, own"):
        model_of(text, code_index="mine")

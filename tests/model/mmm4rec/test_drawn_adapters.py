"""``pretrain_adapters: False``: an encoder that moves to features of any encoder and width."""

from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from recbole_mmm4rec.nn.drawn_adapter import DrawnLinear
from recbole_mmm4rec.nn.sharing import use_generator
from recbole_mmm4rec.training.checkpoint import describe, write_checkpoint
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.model import builders
from tests.model.test_baseline_transfer import batch, build, save, tokens

SIZES: dict[str, Any] = {"head_dim": 16, "d_state": 8, "n_groups": 2, "dropout_prob": 0.0}
DRAWN = SIZES | {"pretrain_adapters": False}


def losses(model: Any, seeds: list[int]) -> list[float]:
    values = []
    for seed in seeds:
        torch.manual_seed(seed)
        values.append(model.train().calculate_loss(batch()).item())
    return values


def test_only_pre_training_draws_them() -> None:
    drawn = losses(build("MMM4Rec", 40, "pretrain", **DRAWN), [1, 2, 1])
    assert drawn[0] == drawn[2] != drawn[1]
    for stage, sizes in (("pretrain", SIZES), ("finetune", DRAWN)):
        one, other = losses(build("MMM4Rec", 40, stage, **sizes), [1, 2])
        assert one == other


@pytest.mark.parametrize("missing", ["constant", "mask", "rescale"])
def test_all_but_the_adapters_learns_where_items_lack_modalities(missing: str) -> None:
    torch.manual_seed(0)
    config = builders.settings("MMM4Rec", stage="pretrain", missing_modality=missing, hidden_size=16, **DRAWN)
    model = MMM4Rec(config, builders.partly_described()).train()
    model.calculate_loss(builders.random_batch([3, 1, 6], builders.PARTLY_DESCRIBED, 20, False)).backward()
    for name, parameter in model.named_parameters():
        if name.startswith("table.adapters."):
            assert parameter.grad is None
        elif name.startswith(("layers.", "input_norm.")):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_users_and_candidates_of_a_batch_share_one_draw() -> None:
    model = build("MMM4Rec", 40, "pretrain", **DRAWN).train()
    with model.shared_item_table():
        first, second = model.user_vectors(batch()), model.user_vectors(batch())
        table = model._full_table()
        torch.testing.assert_close(model.candidates(table), model.item_matrix())
    torch.testing.assert_close(first, second)
    assert not torch.isclose(first, model.user_vectors(batch())).all()


def test_a_batch_draws_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, drawn = build("MMM4Rec", 40, "pretrain", **DRAWN).train(), []
    adapter = model.table.adapters["text"]
    monkeypatch.setattr(adapter, "forward", lambda x: drawn.append(x) or DrawnLinear.forward(adapter, x))
    model.calculate_loss(batch())
    assert len(drawn) == 1


def test_processes_share_their_draws() -> None:
    """Another process has another state of torch's own generator, and the same of the shared one."""
    model, made = build("MMM4Rec", 40, "pretrain", **DRAWN).train(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        use_generator(torch.Generator().manual_seed(7))
        try:
            made.append(model.item_table()["text"])
        finally:
            use_generator(None)
    torch.testing.assert_close(*made)


def test_dropout_of_modalities_is_refused_beside_them() -> None:
    with pytest.raises(UserError, match="modality_dropout"):
        build("MMM4Rec", 40, "pretrain", **DRAWN, modality_dropout=0.1)


def test_the_encoder_moves_to_features_of_another_width_and_encoder(tmp_path: Path) -> None:
    source, target = build("MMM4Rec", 40, "pretrain", **DRAWN), other_features()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25, 100))
    assert {"layers", "input_norm", "time_layers", "gap_norm"} == {n.split(".")[0] for n in report.moved}
    for name in report.moved:
        assert torch.equal(target.state_dict()[name], source.state_dict()[name])
    adapters = {
        f"table.adapters.{name}" for name in ("text.weight", "text.bias", "image.weight", "image.bias")
    }
    assert adapters <= set(report.fresh)
    for name in report.fresh:
        assert torch.equal(target.state_dict()[name], before[name])
    target.calculate_loss(batch()).backward()
    assert all(target.get_parameter(name).grad is not None for name in adapters)


def test_pre_training_goes_on_with_other_features(tmp_path: Path) -> None:
    path = save(tmp_path / "pre.pth", build("MMM4Rec", 40, "pretrain", **DRAWN), tokens(40))
    target = other_features(stage="pretrain", **DRAWN)
    before = {name: value.clone() for name, value in target.table.state_dict().items()}
    report = load_pretrained(target, path, tokens(25, 100))
    assert any(name.startswith("layers.") for name in report.moved)
    assert all(torch.equal(value, before[name]) for name, value in target.table.state_dict().items())


def test_learnt_adapters_still_need_the_features_they_learnt(tmp_path: Path) -> None:
    source, names = build("MMM4Rec", 40, "pretrain", **SIZES), tokens(40).field2id_token["item_id"]
    content = {"state_dict": source.state_dict(), "optimizer": None, "training": None}
    path = str(tmp_path / "pre.pth")
    write_checkpoint(path, describe({"pretrain_adapters": True}, source, names) | content)
    with pytest.raises(UserError) as caught:
        load_pretrained(other_features(), path, tokens(25, 100))
    said = str(caught.value)
    for fact in ("encoder of the image", "encoder of the text", "dimension of the text"):
        assert f"{fact} features is" in said
    assert said.endswith("(a pre-training with pretrain_adapters: False moves to features of any encoder)")


def other_features(**changes: Any) -> Any:
    """A model whose texts have another width and another encoder; in fine-tuning, unless said."""
    config = builders.settings(
        "MMM4Rec", **(SIZES | {"MAX_ITEM_LIST_LENGTH": 6, "hidden_size": 16} | changes)
    )
    features = {"text": builders.feature(torch.randn(25, 33)), "image": builders.feature(torch.randn(25, 10))}
    for feature in features.values():
        feature.metadata["encoder"] = "another"
    return MMM4Rec(config, builders.dataset(25, **features))

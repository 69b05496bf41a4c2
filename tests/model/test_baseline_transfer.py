"""Pre-train on one dataset, fine-tune on another: what moves, what stays, what is frozen (models.md 9.3)."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from recbole_mmm4rec.columns import IMAGE
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.training.checkpoint import describe, write_checkpoint
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.model import builders

SMALL: dict[str, dict[str, Any]] = {
    "ZESRec": {"hidden_size": 16, "item_ids": True},
    "UniSRec": {"hidden_size": 16, "item_ids": True, "n_exps": 2},
    "VQRec": {"hidden_size": 16, "code_dim": 4, "code_cap": 8, "seed": 0},
    "S3RecT": {"hidden_size": 16},
    "M3Rec": {"hidden_size": 16},
    "HM4SR": {"hidden_size": 16},
    "MMSRec": {"hidden_size": 16},
    "MISSRec": {"hidden_size": 16, "seed": 0},
}
FRESH = {
    "ZESRec": ["table.item_bias.text"],
    "UniSRec": ["table.ids.embedding.weight"],
    "VQRec": [],
    "S3RecT": ["table.embedding.weight"],
    "M3Rec": ["ids.embedding.weight"],
    "HM4SR": ["ids.embedding.weight"],
    "MMSRec": ["encoder.position.weight"],
    "MISSRec": ["interests.centroids", "interests.clusters", "interests.fitted"],
}
FROZEN = {"UniSRec": "encoder.stack.", "VQRec": "encoder.stack.", "MISSRec": "encoder.transformer."}


def build(name: str, items: int, stage: str, width: int = 12, **changes: Any) -> Any:
    torch.manual_seed(items)
    model_class = getattr(importlib.import_module(our_models()[name]), name)
    values = {"MAX_ITEM_LIST_LENGTH": 6} | SMALL.get(name, {"hidden_size": 16}) | changes
    config = builders.settings(name, stage=stage, **values)
    features = {"text": builders.feature(torch.randn(items, width))}
    if IMAGE in (config["modalities"] or model_class.modalities):
        features[IMAGE] = builders.feature(torch.randn(items, 10), torch.arange(items) % 3 == 1)
    return model_class(config, builders.dataset(items, **features))


def tokens(items: int, first: int = 0) -> Any:
    names = ["[PAD]", *(f"i{number}" for number in range(first, first + items - 1))]
    return SimpleNamespace(iid_field="item_id", field2id_token={"item_id": names})


def save(path: Path, model: Any, names: Any) -> str:
    content = {"state_dict": model.state_dict(), "optimizer": None, "training": None}
    write_checkpoint(str(path), describe({}, model, names.field2id_token["item_id"]) | content)
    return str(path)


def batch() -> Any:
    item_seq, lengths = torch.tensor([[3, 4, 0], [5, 6, 7]]), torch.tensor([2, 3])
    times = torch.tensor([[1.0e9, 1.1e9, 0, 0, 0, 0], [1.0e9, 1.2e9, 1.3e9, 0, 0, 0]])
    return builders.batch(item_seq, lengths, torch.tensor([9, 10]), times)


@pytest.mark.parametrize("name", SMALL)
def test_pre_trained_weights_move_to_another_dataset(name: str, tmp_path: Path) -> None:
    source, target = build(name, 40, "pretrain"), build(name, 25, "finetune")
    source.calculate_loss(batch())  # VQ-Rec's quantiser is fitted when it is first needed
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25, 100))
    assert sorted(report.fresh) == FRESH[name]
    for entry in report.moved:
        assert torch.equal(target.state_dict()[entry], source.state_dict()[entry])
    learning = {n for n, p in target.named_parameters() if p.requires_grad}
    frozen = {n for n, p in target.named_parameters() if not p.requires_grad}
    assert bool(frozen) is (name in FROZEN)
    assert all(n.startswith((FROZEN[name], "encoder.input.position.")) for n in frozen)
    target.calculate_loss(batch()).backward()
    without = {n for n, p in target.named_parameters() if n in learning and p.grad is None}
    assert without <= {"table.mask.weight"}


BESIDE_CONTENT: dict[str, tuple[dict[str, Any], str]] = {
    "MMM4Rec": ({"head_dim": 16, "d_state": 8, "n_groups": 2}, "table.item_bias."),
    "SASRecT": ({"item_ids": True}, "table.item_bias."),
    "ZESRec": ({"item_ids": True, "pretrain_item_tables": False}, "table.item_bias."),
    "UniSRec": ({"item_ids": True, "n_exps": 2}, "table.ids."),
    "MISSRec": ({"item_ids": True, "seed": 0}, "ids."),
}


def test_biases_of_scores_stay_behind(tmp_path: Path) -> None:
    sizes = {"head_dim": 16, "d_state": 8, "n_groups": 2, "score_bias": True}
    assert not [n for n in build("MMM4Rec", 40, "pretrain", **sizes).state_dict() if "score_bias" in n]
    source, target = build("MMM4Rec", 40, "finetune", **sizes), build("MMM4Rec", 25, "finetune", **sizes)
    report = load_pretrained(target, save(tmp_path / "a.pth", source, tokens(40)), tokens(25, 100))
    assert "score_bias.values" in report.fresh
    with torch.no_grad():
        source.score_bias.values.copy_(torch.arange(40.0))
    path = save(tmp_path / "b.pth", source, tokens(40))
    load_pretrained(target, path, tokens(25), load_item_tables=True)
    assert torch.equal(target.score_bias.values[1:], torch.arange(1.0, 25.0))


@pytest.mark.parametrize("name", BESIDE_CONTENT)
def test_rows_beside_the_content_are_only_pre_trained_on_request(name: str, tmp_path: Path) -> None:
    changes, prefix = BESIDE_CONTENT[name]

    def rows(model: Any) -> set[str]:
        return {entry for entry, value in model.state_dict().items() if entry.startswith(prefix)}

    source, target = (build(name, n, stage, **changes) for n, stage in ((40, "pretrain"), (25, "finetune")))
    assert not rows(source)
    assert not [p for p in source.parameters() if p.shape[:1] == (40,)]
    source.calculate_loss(batch()).backward()
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25, 100))
    assert rows(target) == {entry for entry in report.fresh if entry.startswith(prefix)} != set()
    target.calculate_loss(batch()).backward()
    assert rows(build(name, 40, "pretrain", **changes | {"pretrain_item_tables": True})) == rows(target)


def test_s3rec_moves_its_items_by_token_on_request(tmp_path: Path) -> None:
    source, target = build("S3RecT", 25, "pretrain"), build("S3RecT", 25, "finetune")
    path = save(tmp_path / "pre.pth", source, tokens(25))
    report = load_pretrained(target, path, tokens(25), load_item_tables=True)
    assert report.matched_items == 24
    assert torch.equal(target.table.embedding.weight, source.table.embedding.weight)
    assert not report.fresh


def test_ids_move_and_clusters_stay(tmp_path: Path) -> None:
    source = build("MISSRec", 25, "finetune", item_ids=True)
    source.discover_interests()
    target = build("MISSRec", 25, "finetune", item_ids=True, modalities=["text"])
    report = load_pretrained(target, save(tmp_path / "a.pth", source, tokens(25)), tokens(25), True)
    assert torch.equal(target.ids.embedding.weight, source.ids.embedding.weight)
    assert sorted(report.fresh) == FRESH["MISSRec"]
    target.calculate_loss(batch()).backward()


def test_a_permutation_of_codes_starts_afresh_on_every_dataset(tmp_path: Path) -> None:
    own = {"code_index": "own", "permutation_epochs": 1, "pretrained": "some.pth"}
    source, target = build("VQRec", 40, "finetune", **own), build("VQRec", 25, "finetune", **own)
    source.calculate_loss(batch())
    source.before_epoch(0)
    source.before_epoch(1)
    path = save(tmp_path / "folded.pth", source, tokens(40))
    report = load_pretrained(target, path, tokens(25, 100), load_item_tables=True)
    assert {"folded", "permutation.weight"} <= report.fresh.keys()
    target.before_epoch(0)
    target.calculate_loss(batch()).backward()
    assert target.permutation.weight.grad.abs().max() > 0


@pytest.mark.parametrize("name", ["ZESRec", "UniSRec", "VQRec", "M3Rec", "MMSRec", "MISSRec"])
def test_features_of_another_width_are_refused(name: str, tmp_path: Path) -> None:
    source, target = build(name, 40, "pretrain"), build(name, 25, "finetune", width=8)
    path = save(tmp_path / "pre.pth", source, tokens(40))
    with pytest.raises(UserError, match="dimension of the text features is 12 in the checkpoint and 8 here"):
        load_pretrained(target, path, tokens(25))


def test_an_unfrozen_encoder_learns(tmp_path: Path) -> None:
    source = build("UniSRec", 40, "pretrain")
    target = build("UniSRec", 25, "finetune", freeze_encoder=False)
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25))
    assert not report.frozen
    assert all(p.requires_grad for p in target.parameters())


def test_positions_that_stay_behind_free_the_length_of_histories(tmp_path: Path) -> None:
    source = build("MMSRec", 40, "pretrain")
    path = save(tmp_path / "pre.pth", source, tokens(40))
    target = build("MMSRec", 25, "finetune", MAX_ITEM_LIST_LENGTH=9)
    assert "encoder.position.weight" in load_pretrained(target, path, tokens(25)).fresh
    with pytest.raises(UserError, match="history_length is 6 in the checkpoint and 9 here"):
        source = build("MMSRec", 40, "pretrain", move_positions=True)
        target = build("MMSRec", 25, "finetune", move_positions=True, MAX_ITEM_LIST_LENGTH=9)
        load_pretrained(target, save(tmp_path / "moving.pth", source, tokens(40)), tokens(25))


@pytest.mark.parametrize("name", ["Mamba4RecT", "M3Rec"])
def test_encoders_without_positions_take_any_length_of_histories(name: str, tmp_path: Path) -> None:
    source, target = build(name, 40, "pretrain"), build(name, 25, "finetune", MAX_ITEM_LIST_LENGTH=9)
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25))
    assert [entry for entry in report.moved if entry.startswith("encoder.")]
    target.calculate_loss(batch()).backward()


def test_m3rec_pre_trained_on_texts_alone_starts_its_pictures_fresh(tmp_path: Path) -> None:
    source, target = build("M3Rec", 40, "pretrain", modalities=["text"]), build("M3Rec", 25, "finetune")
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25))
    pictures = [name for name in target.state_dict() if ".image." in name or name == "scales.image"]
    assert sorted(report.fresh) == sorted(["ids.embedding.weight", *pictures])
    assert report.left.keys() == {"ids.embedding.weight"}
    assert {"encoder.layers.0.shared.block.in_proj.weight", "table.adapters.text.0.weight"} <= set(
        report.moved
    )


def test_hm4sr_refuses_experts_of_other_streams(tmp_path: Path) -> None:
    source, target = build("HM4SR", 40, "pretrain", modalities=["text"]), build("HM4SR", 25, "finetune")
    path = save(tmp_path / "pre.pth", source, tokens(40))
    with pytest.raises(
        UserError, match=r"shape of encoder\.interaction\.\S+ is .* in the checkpoint and .* here"
    ):
        load_pretrained(target, path, tokens(25))


def test_hm4sr_pre_trained_with_times_moves_to_data_without_any(tmp_path: Path) -> None:
    source, target = build("HM4SR", 40, "pretrain"), build("HM4SR", 25, "finetune", use_time=False)
    report = load_pretrained(target, save(tmp_path / "pre.pth", source, tokens(40)), tokens(25))
    assert {name.split(".")[1] for name in report.left} == {"embedding", "moments", "temporal"}
    assert list(report.fresh) == ["ids.embedding.weight"]

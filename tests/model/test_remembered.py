"""What counts of training do to a model: its rankings change, its losses and what moves do not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import working_in
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.model import remembered
from recbole_mmm4rec.model.remembered import AUTO
from recbole_mmm4rec.nn.co_occurrence import CoOccurrence
from recbole_mmm4rec.quick_start.loading import load_data_and_model
from recbole_mmm4rec.quick_start.training_run import select
from recbole_mmm4rec.recommend.loading import load
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.golden import assert_agrees
from tests.model import builders, test_every_baseline
from tests.model.test_baseline_transfer import save, tokens
from tests.model.test_every_baseline import LENGTH, N, batch
from tests.recommend.trained import home, settings_of, trained

MODELS = ["MMM4Rec", "SASRecT", "MISSRec", "HM4SR", "BSARec", "VQRec"]


def events() -> tuple[np.ndarray, np.ndarray]:
    """Item n stands before n + 1 once, and 3 before 9 in thirty histories."""
    items = np.concatenate([np.arange(1, 24), np.tile([3, 9], 30)])
    return items, np.concatenate([np.zeros(23, int), 1 + np.repeat(np.arange(30), 2)])


def build(name: str, **changes: Any) -> Any:
    return test_every_baseline.build(name, events=events, **{"n_groups": 2} | changes)


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_the_model_s_and_the_counts(name: str) -> None:
    plain, model, data = build(name).eval(), build(name, co_occurrence=7.0).eval(), batch()
    added = model.co_occurrence(data["item_id_list"], data["item_length"])
    assert added.any()
    scores = model.full_sort_predict(data)
    assert_agrees(scores, plain.full_sort_predict(data) + added, "scores", 1e-6)
    assert_agrees(model.predict(data), scores[torch.arange(11), data["item_id"]], "predict", 1e-5)
    matrix, counted = model.item_matrix(), model.counted_scores(data)
    if matrix is not None:
        assert_agrees(model.user_vectors(data) @ matrix.T + counted, scores, "products and counts", 1e-5)
    assert_agrees(model.item_vectors(), plain.item_vectors(), "vectors", 1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_losses_do_not_read_counts(name: str) -> None:
    data = batch()
    losses = []
    for changes in ({}, {"co_occurrence": 7.0}):
        model = build(name, **changes).eval()
        torch.manual_seed(1)
        losses.append(model.calculate_loss(data))
    assert torch.equal(*losses)


def test_what_stood_together_ranks_first() -> None:
    model = build("SASRecT", co_occurrence=1e4).eval()
    data = builders.random_batch([1], N, LENGTH)
    data["item_id_list"][0, 0] = 3
    assert int(model.full_sort_predict(data)[0, 1:].argmax()) + 1 == 9


def test_items_lend_counts_by_their_features_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lent, own = (
        build("SASRecT", co_occurrence=7.0, co_occurrence_content=share).co_occurrence for share in (1.0, 0)
    )
    assert (lent.values > 0).sum() > (own.values > 0).sum()
    monkeypatch.setattr(remembered, "MOST_COMPARED", N - 1)
    many = build("SASRecT", co_occurrence=7.0).co_occurrence
    assert torch.equal(many.values, own.values)
    assert "items are too many to compare" in caplog.text


def test_pre_training_counts_nothing() -> None:
    assert build("MMM4Rec", stage="pretrain", co_occurrence=7.0).co_occurrence is None


@pytest.mark.parametrize("tables", [False, True])
def test_counts_never_move(tables: bool, tmp_path: Path) -> None:
    """Neither to other items nor to the same ones: a model counts its own training set."""
    source, target = build("SASRecT", co_occurrence=7.0), build("SASRecT", co_occurrence=7.0)
    own = {name: value.clone() for name, value in target.state_dict().items() if "co_occurrence" in name}
    source.co_occurrence.values.zero_()
    path = save(tmp_path / "a.pth", source, tokens(N))
    report = load_pretrained(target, path, tokens(N), load_item_tables=tables)
    assert not [name for name in report.moved if name.startswith("co_occurrence.")]
    assert all(torch.equal(target.state_dict()[name], value) for name, value in own.items())
    without = build("SASRecT")
    assert "co_occurrence.values" in load_pretrained(without, path, tokens(N)).left


def checkpoint_without_the_key(path: Path, tmp_path: Path) -> Path:
    """The checkpoint of a model without counts, as code that did not know them wrote it."""
    content = torch.load(path, weights_only=True)
    old = json.loads(content["config"])
    del old["co_occurrence"]
    torch.save(content | {"config": json.dumps(old)}, tmp_path / "old.pth")
    return tmp_path / "old.pth"


def test_older_checkpoints_are_read_without_counts(tmp_path: Path) -> None:
    path = trained("MMM4Rec", (("co_occurrence", 0),))[0]
    old = load(checkpoint_without_the_key(path, tmp_path), "cpu")
    lists = [one.recommend(["i1", "i2"], [1.5e9, 1.5e9 + 5], k=9) for one in (old, load(path, "cpu"))]
    pd.testing.assert_frame_equal(*lists)
    with working_in(home()):
        assert load_data_and_model(str(tmp_path / "old.pth"))[1].co_occurrence is None


@pytest.mark.parametrize(("then", "now"), [(0, 20.0), (20.0, 0), (AUTO, 20.0), (20.0, AUTO), (0, AUTO)])
def test_a_run_is_not_resumed_with_other_counts(then: float | str, now: float | str) -> None:
    trainer = trained("MMM4Rec", (("co_occurrence", then),))[1]
    other = trained("MMM4Rec", (("co_occurrence", now),))[1]
    with (
        working_in(home()),
        pytest.raises(UserError, match=r"cannot be resumed, its co_occurrence was") as said,
    ):
        other.resume_checkpoint(trainer.last_file)
    assert "\n" not in str(said.value)


def test_a_run_is_not_resumed_with_counts_shared_otherwise() -> None:
    """The tables are in the checkpoint; new items would be lent by a rule that they were not made by."""
    trainer = trained("MMM4Rec", (("co_occurrence", 20.0),))[1]
    other = trained("MMM4Rec", (("co_occurrence", 20.0), ("co_occurrence_content", 0.0)))[1]
    with working_in(home()), pytest.raises(UserError, match=r"its co_occurrence_content was 1.0, not 0.0"):
        other.resume_checkpoint(trainer.last_file)


def test_what_a_checkpoint_holds_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path, trainer, _ = trained("MMM4Rec", (("co_occurrence", 20.0),))
    counted = trainer.model.co_occurrence
    monkeypatch.setattr(CoOccurrence, "count", None)
    with working_in(home()):
        config, model, _, train_data, valid_data, _ = load_data_and_model(str(path))
        resumed = RunConfig(config["model"], "tiny", config_dict=settings_of("MMM4Rec", co_occurrence=20.0))
        resumed["resume"] = str(trainer.last_file)
        resumed["checkpoint_dir"] = str(path.parent)
        resumed["epochs"] = 2
        again = select(resumed, train_data, valid_data).trainer.model
    for one in (model, again):
        assert torch.equal(one.co_occurrence.neighbours, counted.neighbours)
        assert torch.equal(one.co_occurrence.values, counted.values)
        assert one.co_occurrence.values.any()

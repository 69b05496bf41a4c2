"""A trained model on files whose rows were sorted or changed since: the same numbers, or one line."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from recbole_mmm4rec import load_data_and_model
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset, prepare_loaders
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.training_run import build_trainer, select_or_continue
from tests.conftest import SMALL
from tests.quick_start.test_whole_run import QUIET

SHORT = {**QUIET, "epochs": 1, "metric_decimal_place": 7}
OWN: dict[str, dict[str, Any]] = {
    "MMM4Rec": {**SMALL, "metric_decimal_place": 7},
    "FPMC": {"learning_rate": 0.05},
    "BPR": {"learning_rate": 0.05},
    "ItemKNN": {"k": 10},
}


def interactions(folder: Path) -> Path:
    return folder / f"{folder.name}.inter"


def sort_rows(folder: Path) -> None:
    """The same rows by descending item: users and items are met in another order."""
    header, *rows = interactions(folder).read_text().splitlines()
    rows.sort(key=lambda row: (row.split("\t")[1], row), reverse=True)
    interactions(folder).write_text("\n".join([header, *rows]) + "\n")


def rename_item(folder: Path, before: str, after: str) -> None:
    text = interactions(folder).read_text()
    interactions(folder).write_text(re.sub(rf"\t{before}\t", f"\t{after}\t", text))


def evaluated_again(checkpoint: str) -> dict[str, float]:
    config, model, *_, test_data = load_data_and_model(checkpoint)
    return dict(build_trainer(config, model).evaluate(test_data, load_best_model=False))


@pytest.mark.parametrize(
    "model", ["SASRec", "MMM4Rec", "FPMC", "BPR", "ItemKNN", "LightGCN", "Pop", "DeepFM"]
)
def test_sorted_rows_give_the_same_numbers(model: str, tiny: Path) -> None:
    result = run(model, "tiny", config_dict={**SHORT, **OWN.get(model, {})})
    before = [line.split("\t")[1] for line in interactions(tiny).read_text().splitlines()]
    sort_rows(tiny)
    assert before != [line.split("\t")[1] for line in interactions(tiny).read_text().splitlines()]
    assert evaluated_again(result["checkpoint"]) == pytest.approx(dict(result["test_result"]), abs=1e-6)


def test_the_rows_of_categories_are_kept_too(tiny: Path) -> None:
    """The .item file's tokens are numbered by its own rows."""
    rows = [f"i{item}\tc{item % 7}" for item in range(60)]
    head = "item_id:token\tclass:token"
    (tiny / "tiny.item").write_text("\n".join([head, *rows]) + "\n")
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "class"]}
    values = {**SHORT, "load_col": columns, "selected_features": ["class"], "hidden_size": 16}
    result = run("GRU4RecF", "tiny", config_dict=values)
    (tiny / "tiny.item").write_text("\n".join([head, *rows[::-1]]) + "\n")
    assert evaluated_again(result["checkpoint"]) == pytest.approx(dict(result["test_result"]), abs=1e-6)


@pytest.mark.parametrize("model", ["SASRec", "MMM4Rec", "BPR"])
def test_changed_items_are_named(model: str, tiny: Path) -> None:
    checkpoint = run(model, "tiny", config_dict={**SHORT, **OWN.get(model, {})})["checkpoint"]
    rename_item(tiny, "i7", "novel")
    said = r"'tiny' has changed, its item_id no longer has \"i7\" and has in addition \"novel\""
    with pytest.raises(UserError, match=said) as caught:
        load_data_and_model(checkpoint)
    assert checkpoint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_changed_users_are_named_where_they_have_rows(tiny: Path) -> None:
    of_users, of_items = (run(name, "tiny", config_dict=SHORT)["checkpoint"] for name in ("BPR", "SASRec"))
    text = interactions(tiny).read_text()
    interactions(tiny).write_text(re.sub(r"^u3\t", "someone\t", text, flags=re.MULTILINE))
    for checkpoint in (of_users, of_items):
        with pytest.raises(UserError, match=r'user_id no longer has "u3" and has in addition "someone"'):
            load_data_and_model(checkpoint)
    ours = run("MMM4Rec", "tiny", config_dict=OWN["MMM4Rec"])["checkpoint"]
    interactions(tiny).write_text(text)
    assert evaluated_again(ours)


@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_a_run_does_not_go_on_with_other_rows(model: str, tiny: Path) -> None:
    checkpoint = run(model, "tiny", config_dict=SHORT)["checkpoint"]
    sort_rows(tiny)
    with pytest.raises(UserError, match=r"its \w+_id is in another order, with .*; a run goes on only with"):
        run(config_dict={"resume": checkpoint, "epochs": 2})


def test_a_run_does_not_go_on_with_other_events_or_features(tiny: Path) -> None:
    """All rows of the model's tables are the same ones: only what the files hold has changed."""
    checkpoint = run("MMM4Rec", "tiny", config_dict={**SHORT, **OWN["MMM4Rec"]})["checkpoint"]
    features = tiny / "tiny.text.parquet"
    whole = features.read_bytes()
    table = pd.read_parquet(features)
    table.iloc[:, 1] = table.iloc[::-1, 1].to_numpy()
    table.to_parquet(features)
    with pytest.raises(UserError, match=r"another one, tiny\.text\.parquet changed; a run goes on only with"):
        run(config_dict={"resume": checkpoint, "epochs": 2})
    features.write_bytes(whole)
    header, *rows = interactions(tiny).read_text().splitlines()
    interactions(tiny).write_text("\n".join([header, *rows[:1], *rows]) + "\n")
    with pytest.raises(UserError, match=r"another one, tiny\.inter changed; a run goes on only with"):
        run(config_dict={"resume": checkpoint, "epochs": 2})


def test_a_run_in_a_folder_of_its_own_starts_over(tiny: Path) -> None:
    values = {**SHORT, "hidden_size": 16}
    run("SASRec", "tiny", config_dict=values)
    sort_rows(tiny)
    config = RunConfig("SASRec", "tiny", config_dict=values)
    train_data, valid_data, _ = prepare_loaders(config, create_dataset(config))
    assert len(select_or_continue(config, train_data, valid_data).epochs) == 1
    assert config["resume"] is None


def test_weights_that_belong_to_rows_do_not_move_to_others(tiny: Path) -> None:
    """A built-in model does not say which of its tables belong to the items: all of them move."""
    checkpoint = run("SASRec", "tiny", config_dict=SHORT)["checkpoint"]
    assert run("SASRec", "tiny", config_dict={**SHORT, "pretrained": checkpoint})["test_result"]
    sort_rows(tiny)
    with pytest.raises(UserError, match="item_id is in another order"):
        run("SASRec", "tiny", config_dict={**SHORT, "pretrained": checkpoint})


def test_tables_of_items_move_by_token(tiny: Path) -> None:
    values = {**OWN["MMM4Rec"], "epochs": 1}
    first = run("MMM4Rec", "tiny", config_dict=values)
    sort_rows(tiny)
    moved = {"pretrained": first["checkpoint"], "load_item_tables": True, "epochs": 0}
    again = run("MMM4Rec", "tiny", config_dict={**values, **moved}, saved=False)
    assert dict(again["test_result"]) == pytest.approx(dict(first["test_result"]), abs=1e-6)


def test_recboles_own_pretraining_moves_to_the_same_rows_only(tiny: Path) -> None:
    (tiny / "tiny.item").write_text(
        "item_id:token\tclass:token\n" + "".join(f"i{item}\tc{item % 7}\n" for item in range(60))
    )
    columns = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "class"]}
    values = {**SHORT, "load_col": columns, "item_attribute": "class", "hidden_size": 16}
    before = {**values, "train_stage": "pretrain", "save_step": 1, "pretrain_epochs": 1}
    run("S3Rec", "tiny", config_dict=before)
    (path,) = Path("saved").glob("S3Rec*-1.pth")
    after = {**values, "train_stage": "finetune", "pre_model_path": str(path)}
    assert run("S3Rec", "tiny", config_dict=after)["test_result"]
    sort_rows(tiny)
    with pytest.raises(UserError, match=r"item_id is in another order, .*pre-train again"):
        run("S3Rec", "tiny", config_dict=after)


def test_an_old_checkpoint_that_does_not_say_is_told(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = run("BPR", "tiny", config_dict=SHORT)["checkpoint"]
    state = torch.load(path, weights_only=True)
    torch.save({key: state[key] for key in state.keys() - {"item_tokens", "other_tokens"}}, "old.pth")
    load_data_and_model("old.pth")
    assert any("old.pth does not say which items" in line for line in caplog.messages)

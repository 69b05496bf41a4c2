"""Data on which RecBole fails late, or goes on as if nothing were wrong."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start import run
from tests.conftest import SMALL
from tests.quick_start.test_whole_run import QUIET

HEAD = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
VALUES = {**QUIET, "epochs": 1, "topk": [5], "valid_metric": "NDCG@5", "load_col": None}


def write(folder: Path, rows: list[str], head: str = HEAD, suffix: str = "inter") -> None:
    place = folder / "atomic_data" / "odd"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"odd.{suffix}").write_text("\n".join([head, *rows]) + "\n")


def rows(users: int = 20, events: int = 6, items: int = 30) -> list[str]:
    return [f"u{u}\ti{(7 * u + k) % items}\t5\t{100 * u + k}" for u in range(users) for k in range(events)]


def refused(model: str, *parts: str, **values: Any) -> None:
    with pytest.raises(UserError) as caught:
        run(model, "odd", config_dict={**VALUES, **values})
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_infinite_ratings(model: str, in_tmp: Path) -> None:
    some = rows()
    write(in_tmp, [*some[:3], some[3].replace("\t5\t", "\tinf\t"), *some[4:]])
    refused(model, "odd.inter: column rating is infinite in row 4")


def test_a_user_with_all_items_has_no_negatives(in_tmp: Path) -> None:
    write(in_tmp, rows(10, 12, 12))
    refused("BPR", "BPR on 'odd'", "interacted with all items")


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_a_missing_id_column(model: str, column: str, in_tmp: Path) -> None:
    write(in_tmp, rows(), HEAD.replace(column, "thing"))
    refused(model, "odd.inter", column)


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_an_id_that_is_a_number_in_the_item_file(model: str, in_tmp: Path) -> None:
    write(in_tmp, rows())
    write(in_tmp, [f"{item}\t1" for item in range(30)], "item_id:float\tx:float", "item")
    refused(model, "odd.item: column item_id is float, must be item_id:token")


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_an_id_in_the_wrong_file(model: str, in_tmp: Path) -> None:
    write(in_tmp, rows())
    write(in_tmp, [f"i{item}\tz" for item in range(30)], "item_id:token\tuser_id:token", "item")
    refused(model, "odd.item: column user_id belongs into the .inter file")
    left_out = {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id"]}
    assert run(model, "odd", config_dict={**VALUES, "load_col": left_out})["test_result"]


def test_a_small_catalogue_is_told_both_flags(in_tmp: Path) -> None:
    write(in_tmp, rows(20, 6, 12))
    refused("SASRec", "topk: 50 exceeds the 12 items", "--topk=[5] --valid_metric=NDCG@5", topk=[10, 50],
            valid_metric="NDCG@10")  # fmt: skip


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_a_set_that_is_empty_is_told(model: str, in_tmp: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(in_tmp, rows(20, 2, 12))
    result = run(model, "odd", config_dict=VALUES)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    empty = [key for key in ("best_valid_result", "test_result") if result[key] is None]
    assert len([line for line in warnings if "no user of 'odd' has enough interactions" in line]) == len(
        empty
    )
    assert empty
    assert not [line for line in caplog.messages if line.endswith(": None") and "result" in line]


@pytest.mark.usefixtures("tiny")
def test_pretraining_says_that_it_holds_nothing_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run("MMM4Rec", "tiny", config_dict={**SMALL, "stage": "pretrain"})
    told = [line for line in caplog.messages if "best valid" in line or "test result" in line]
    assert len(told) == 2
    assert all("none, this stage trains on all interactions" in line for line in told)
    assert any("checkpoint" in line and ".pth" in line for line in caplog.messages)

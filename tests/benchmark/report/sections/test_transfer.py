"""Pre-trained runs and the same runs from scratch."""

from typing import Any

from recbole_mmm4rec.benchmark.report.section import Table
from recbole_mmm4rec.benchmark.report.sections.transfer import transfer, transfer_pairs
from tests.benchmark.report.test_study import ran, study


def course(*values: float) -> dict[str, Any]:
    curve = [
        {
            "epoch": number,
            "steps": 10 * (number + 1),
            "seconds": 2.0 * (number + 1),
            "valid": {"ndcg@10": value},
        }
        for number, value in enumerate(values)
    ]
    return {"curve": curve, "best_epoch": max(range(len(values)), key=lambda number: values[number])}


def test_transfer_reaches_the_best_from_scratch() -> None:
    scratch = ran("MMM4Rec", **course(0.1, 0.2, 0.3, 0.25))
    other = ran("w/o time", changes={"use_time": False}, **course(0.5))
    moved = ran("pre-trained", pretrain_key="p", changes={"pretrained": "x"}, **course(0.2, 0.3, 0.4))
    (pair,) = transfer_pairs(study(other, scratch, moved))[("shop", "pre-trained")]
    assert (pair.scratch.setting, pair.goal, pair.scratch_reached.number) == ("MMM4Rec", 0.3, 3)
    assert pair.reached is not None
    assert (pair.reached.number, pair.reached.steps, pair.reached.seconds) == (2, 20, 4.0)


def test_a_run_from_a_checkpoint_is_not_from_scratch() -> None:
    warm = ran("warm", changes={"pretrained": "file.pth"}, **course(0.1, 0.2))
    scratch = ran("MMM4Rec", **course(0.1, 0.3))
    moved = ran("pre-trained", pretrain_key="p", **course(0.2, 0.4))
    (pair,) = transfer_pairs(study(warm, scratch, moved))[("shop", "pre-trained")]
    assert pair.scratch.setting == "MMM4Rec"


def test_the_partner_is_the_nearest_run_from_scratch() -> None:
    slow = ran("slow", model="M", changes={"learning_rate": 1e-5}, **course(0.1, 0.1))
    scratch = ran("scratch", model="M", changes={"learning_rate": 3e-3}, **course(0.2, 0.3))
    moved = ran("moved", model="M", pretrain_key="p", changes={"learning_rate": 3e-3}, **course(0.3, 0.4))
    (pair,) = transfer_pairs(study(slow, scratch, moved))[("shop", "moved")]
    assert pair.scratch.setting == "scratch"
    section = transfer(study(slow, scratch, moved))
    assert section is not None
    assert "moved is compared with scratch." in section.text


def test_a_run_can_get_there_within_an_epoch() -> None:
    start = {"epoch": None, "epochs": 0, "steps": 0, "seconds": 0.0, "cpu_seconds": 0.0}
    halves = [start | {"epochs": n / 2, "steps": 5 * n, "cpu_seconds": 3.0 * n} for n in range(4)]
    within = [
        half | {"valid": {"ndcg@10": value}} for half, value in zip(halves, (0.1, 0.31, 0, 0), strict=True)
    ]
    ends = course(0.2, 0.3)["curve"]
    scratch = ran("MMM4Rec", valid={"ndcg@10": 0.3}, **course(0.25, 0.3))
    curve = sorted([*ends, *(within[n] for n in (0, 1, 3))], key=lambda point: point["steps"])
    moved = ran("pre-trained", pretrain_key="p", curve=curve, best_epoch=1, valid={"ndcg@10": 0.3})
    (pair,) = transfer_pairs(study(scratch, moved))[("shop", "pre-trained")]
    assert pair.reached is not None
    assert (pair.reached.number, pair.reached.epochs, pair.reached.steps) == (None, 0.5, 5)
    assert pair.reached.cpu_seconds == 3.0
    section = transfer(study(scratch, moved))
    assert section is not None
    table = section.blocks[0]
    assert isinstance(table, Table)
    (row,) = table.rows
    cells = {
        (column.group, column.title): cell.text for column, cell in zip(table.columns, row.cells, strict=True)
    }
    assert cells["Validation NDCG@10 before any step", "pre-trained"] == "0.1000"
    assert cells["Optimiser steps to equal quality", "faster"] == "4.00×"


def test_a_variant_is_no_partner_of_the_pre_trained_full_model() -> None:
    variant = ran("w/o time", model="MMM4Rec", changes={"use_time": False}, **course(0.3))
    moved = ran("pre-trained", model="MMM4Rec", pretrain_key="p", **course(0.3))
    assert transfer_pairs(study(variant, moved)) == {}


def test_transfer_that_never_gets_there_and_one_without_a_partner() -> None:
    moved = ran("pre-trained", pretrain_key="p", **course(0.2, 0.25))
    (pair,) = transfer_pairs(study(ran("MMM4Rec", **course(0.3)), moved))[("shop", "pre-trained")]
    assert pair.reached is None
    assert transfer_pairs(study(moved)) == {}
    assert transfer_pairs(study(ran("MMM4Rec", seed=2, **course(0.3)), moved)) == {}


def test_a_curve_without_the_validation_metric_makes_no_pair() -> None:
    moved = ran("pre-trained", pretrain_key="p", curve=[{"epoch": 0, "valid": {"mrr@10": 0.1}}])
    assert transfer(study(ran("MMM4Rec", **course(0.3)), moved)) is None

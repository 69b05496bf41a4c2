"""Rows per setting, worked out by hand."""

from pathlib import Path

from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.section import Table
from recbole_mmm4rec.benchmark.report.sections.comparison import overview
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.users import UserFiles
from tests.benchmark.report.folder import make_run


def made(*runs: Run) -> Table:
    section = overview(Study(list(runs), ReportPlan(ours="B", metrics=["recall@10"]), UserFiles(Path())))
    assert section is not None
    (table,) = section.blocks
    assert isinstance(table, Table)
    return table


def run(setting: str, recall: float, epoch: int, seconds: float | None = 2.0, **more: object) -> Run:
    """``epoch`` counts from 1, in the record from 0."""
    costs = {"best_epoch": epoch - 1, "seconds_per_epoch": seconds}
    return make_run(setting, test={"recall@10": recall}, **costs, **more)


def test_results_and_costs_of_every_setting() -> None:
    table = made(run("A", 0.2, 3), run("A", 0.4, 5, seed=2021), run("B", 0.5, 1, seconds=30.0))
    assert [column.title for column in table.columns] == ["Recall@10", "Seconds per epoch", "Epochs to best"]
    first, second = table.rows
    assert [(cell.text, cell.note, cell.mark) for cell in first.cells] == [
        ("0.3000", "±0.1414", "second"),
        ("2.00", "±0.00", ""),
        ("4.0", "±1.4", ""),
    ]
    assert [(cell.text, cell.note) for cell in second.cells] == [("0.5000", ""), ("30.0", ""), ("1.0", "")]
    assert second.cells[0].mark == "best"


def test_a_setting_has_rows_where_it_ran_and_a_dash_where_nothing_was_measured() -> None:
    table = made(run("A", 0.2, 1, seconds=None), run("B", 0.1, 1), run("B", 0.3, 2, dataset="films"))
    assert [(row.group, row.head) for row in table.rows] == [("shop", "A"), ("shop", "B"), ("films", "B")]
    assert table.rows[0].cells[1].text == "–"


def test_no_runs_no_overview() -> None:
    assert overview(Study([], ReportPlan(), UserFiles(Path()))) is None

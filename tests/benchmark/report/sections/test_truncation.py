"""Sweeps of the history's length: which runs form a line, and what it is called."""

from pathlib import Path

from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.section import Figures, Table
from recbole_mmm4rec.benchmark.report.sections.truncation import truncation
from recbole_mmm4rec.benchmark.report.study import LENGTH, Study
from recbole_mmm4rec.benchmark.report.users import UserFiles
from tests.benchmark.report.folder import make_run


def made(labels: dict[str, tuple[str, int, float]]) -> tuple[Figures, Table] | None:
    """The section of settings that have a model, a length (20 is its default) and a result."""
    runs = [
        make_run(
            label,
            model=model,
            config={LENGTH: length},
            changes={LENGTH: length} if length != 20 else {},
            test={"ndcg@10": value},
        )
        for label, (model, length, value) in labels.items()
    ]
    section = truncation(Study(runs, ReportPlan(), UserFiles(Path())))
    if section is None:
        return None
    figures, table = section.blocks
    assert isinstance(figures, Figures)
    assert isinstance(table, Table)
    return figures, table


def test_a_line_is_called_what_its_settings_have_in_common() -> None:
    labels = {
        "SASRec 5": ("SASRec", 5, 0.1),
        "SASRec 20": ("SASRec", 20, 0.3),
        "MMM4Rec": ("MMM4Rec", 20, 0.4),
        "MMM4Rec, L = 50": ("MMM4Rec", 50, 0.5),
        "short": ("GRU4Rec", 5, 0.2),
        "long": ("GRU4Rec", 50, 0.2),
    }
    found = made(labels)
    assert found is not None
    figures, table = found
    assert [label for _, label in figures.legend] == ["SASRec", "MMM4Rec", "GRU4Rec"]
    assert [column.title for column in table.columns] == ["5", "20", "50"]
    assert [row.group for row in table.rows] == ["shop · SASRec", "shop · MMM4Rec", "shop · GRU4Rec"]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["0.1000", "0.3000", "–"],
        ["–", "0.4000", "0.5000"],
        ["0.2000", "–", "0.2000"],
    ]


def test_one_length_is_no_sweep() -> None:
    assert made({"SASRec": ("SASRec", 50, 0.1), "MMM4Rec": ("MMM4Rec", 50, 0.1)}) is None

"""Runs that ended without a result, and why."""

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.section import Section
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.benchmark.report.table import Cell, Column, Row, Table

COLUMNS = [
    Column("Model", number=False),
    Column("Seed"),
    Column("Run", number=False),
    Column("Error", number=False),
]


def failures(study: Study) -> Section | None:
    """One row for every failed run."""
    if not study.failed:
        return None
    rows = [
        Row(
            run.setting,
            [
                Cell(run.model),
                Cell(formatting.DASH if run.seed is None else str(run.seed)),
                Cell(run.key),
                Cell(run.error or formatting.DASH),
            ],
            run.dataset,
        )
        for run in study.failed
    ]
    caption = "Failed runs; they are in no mean above."
    return Section("Failed runs", [], [Table("failures", caption, "Setting", COLUMNS, rows)])

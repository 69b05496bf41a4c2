"""Paired tests of the reference against each other setting, by user and by seed."""

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.contrasts import Contrast, seed_contrasts
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Row, Section, Table
from recbole_mmm4rec.benchmark.report.study import Study

COLUMNS = [
    Column("Difference"),
    Column("95\N{NO-BREAK SPACE}% interval"),
    Column("Effect d"),
    Column("p", "t-test"),
    Column("p, Holm", "t-test"),
    Column("p, Holm", "Wilcoxon"),
    Column("Verdict", number=False),
]
READING = (
    "Difference: {reference} minus the other setting. Interval: for that comparison, not corrected. d: mean "
    "difference over its deviation. Holm: corrected for all {count} comparisons by {unit}, {metrics} metrics "
    "together. Verdict: of {reference}, by the corrected t-test at 0.05."
)
PAIRS = {
    "users": "paired by user; a user's metric is averaged over the seeds of both settings",
    "seeds": "paired by seed; each seed's test metric is one value",
}


def significance(study: Study) -> Section | None:
    """By user and by seed where there are pairs; the metrics other than the main one are folded."""
    reference = study.comparison.reference
    if reference is None:
        return None
    kinds = {"users": study.user_contrasts, "seeds": seed_contrasts(study.comparison)}
    tables = [
        table for unit, contrasts in kinds.items() for table in _tables(study, reference, contrasts, unit)
    ]
    if not tables:
        return None
    return Section("Significance", [f"{reference} against every other setting; tests are two-sided."], tables)


def _tables(study: Study, reference: str, contrasts: list[Contrast], unit: str) -> list[Table]:
    main = study.main_metric if any(c.metric == study.main_metric for c in contrasts) else ""
    shown = [c for c in contrasts if c.metric == main]
    others = [c for c in contrasts if c.metric != main]
    metrics = len({c.metric for c in contrasts})
    reading = READING.format(reference=reference, count=len(contrasts), unit=unit[:-1], metrics=metrics)
    tables = []
    if shown:
        caption = f"{reference} against the others on {written(main)}, {PAIRS[unit]}."
        rows = [_row(contrast, contrast.dataset) for contrast in shown]
        tables.append(_table(f"significance-{unit}", caption, rows, reading, unit))
    if others:
        caption = (
            f"{reference} against the others on {'the other' if shown else 'all'} metrics, {PAIRS[unit]}."
        )
        rows = [_row(contrast, f"{contrast.dataset} · {written(contrast.metric)}") for contrast in others]
        name = f"significance-{unit}-other-metrics"
        tables.append(_table(name, caption, rows, reading, unit, folded=bool(shown)))
    return tables


def _table(name: str, caption: str, rows: list[Row], reading: str, unit: str, folded: bool = False) -> Table:
    """The column of Wilcoxon's test is left out if no row has a value."""
    columns = [Column(f"Paired {unit}"), *COLUMNS]
    ranked = columns.index(COLUMNS[5])
    if all(row.cells[ranked].text == formatting.DASH for row in rows):
        columns.pop(ranked)
        rows = [Row(row.head, row.cells[:ranked] + row.cells[ranked + 1 :], row.group) for row in rows]
    return Table(name, caption, "Against", columns, rows, [reading], "Dataset and metric", folded)


def _row(contrast: Contrast, group: str) -> Row:
    test = contrast.test
    cells = [
        Cell(formatting.count(test.pairs)),
        Cell(formatting.signed(test.difference)),
        Cell(formatting.interval(test.low, test.high)),
        Cell(formatting.effect(test.effect)),
        Cell(formatting.probability(test.t_test)),
        Cell(formatting.probability(contrast.t_test)),
        Cell(formatting.probability(contrast.wilcoxon)),
        Cell(contrast.verdict),
    ]
    return Row(contrast.other, cells, group)

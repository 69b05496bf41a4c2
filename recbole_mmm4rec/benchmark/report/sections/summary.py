"""The answer first: how the reference does against the best other setting on each dataset."""

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import ranks
from recbole_mmm4rec.benchmark.report.contrasts import Contrast
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.section import BEST, Cell, Column, Row, Section, Table
from recbole_mmm4rec.benchmark.report.study import Study

COLUMNS = [
    Column("Best other", number=False),
    Column("Its result"),
    Column("Improvement"),
    Column("p by user"),
    Column("Verdict", number=False),
    Column("Seeds"),
]
NOTE = (
    "p: paired t-test by user with Holm's correction for all comparisons by user in the section on "
    "significance; verdicts are at the level 0.05."
)
CHOICE = "{} is compared with the others because it validated best on average over the datasets."


def summary(study: Study) -> Section:
    """What was run, and one row per dataset for the main metric."""
    comparison, reference = study.comparison, study.comparison.reference
    missing = ", ".join(study.without_result)
    text = [_extent(study), *([f"Without a result yet: {missing}."] if missing else [])]
    if reference is None:
        return Section("Summary", text, [])
    rows = [Row(dataset, _cells(study, reference, dataset)) for dataset in comparison.datasets]
    caption = f"{reference} against the best other setting, test {written(study.main_metric)}."
    notes = [NOTE, *([] if study.ours == reference else [CHOICE.format(reference)])]
    table = Table("summary", caption, "Dataset", [Column(reference), *COLUMNS], rows, notes)
    return Section("Summary", text, [table])


def _extent(study: Study) -> str:
    datasets = dict.fromkeys(run.dataset for run in study.runs if run.stage != "pretrain")
    seeds = sorted({run.seed for run in study.runs if run.seed is not None})
    done = sum(run.finished for run in study.runs)
    failed = f", {len(study.failed)} failed" if study.failed else ""
    hours = sum(run.seconds or 0 for run in study.runs) / 3600
    return (
        f"Runs: {done} finished{failed}. Datasets: {', '.join(datasets)}. "
        f"Seeds: {', '.join(map(str, seeds))}. "
        f"Wall time of all runs: {formatting.amount(hours)} hours. Epochs were chosen by validation only."
    )


def _cells(study: Study, reference: str, dataset: str) -> list[Cell]:
    comparison, metric = study.comparison, study.main_metric
    means, other = comparison.means(dataset, metric), comparison.best_other(dataset, metric)
    contrast = _contrast(study, dataset, other)
    mark = BEST if ranks(means, metric).get(reference) == 0 else ""
    return [
        Cell(formatting.value(means.get(reference)), mark=mark),
        Cell(other or formatting.DASH),
        Cell(formatting.value(means.get(other or ""))),
        Cell(formatting.percent(comparison.improvement(dataset, metric))),
        Cell(formatting.probability(contrast.t_test if contrast else None)),
        Cell(contrast.verdict if contrast else formatting.DASH),
        Cell(formatting.count(len(comparison.by_seed(dataset, reference)) or None)),
    ]


def _contrast(study: Study, dataset: str, other: str | None) -> Contrast | None:
    case = (dataset, study.main_metric, other)
    return next((c for c in study.user_contrasts if (c.dataset, c.metric, c.other) == case), None)

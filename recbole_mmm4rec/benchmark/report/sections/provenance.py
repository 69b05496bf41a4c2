"""What was run: failed runs, versions, every run, the changes of each setting, whole configurations."""

import json

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.metrics import written
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.section import Cell, Column, Folded, Row, Section, Table
from recbole_mmm4rec.benchmark.report.study import Study
from recbole_mmm4rec.host.seen_items import ranking_rule

FAILURE_COLUMNS = [
    Column("Model", number=False),
    Column("Seed"),
    Column("Run", number=False),
    Column("Error", number=False),
]


def failures(study: Study) -> Section | None:
    """One row per failed run, with the reason."""
    if not study.failed:
        return None
    rows = [Row(run.setting, _failure_cells(run), run.dataset) for run in study.failed]
    caption = "Failed runs; no mean above includes them."
    return Section("Failed runs", [], [Table("failures", caption, "Setting", FAILURE_COLUMNS, rows)])


def _failure_cells(run: Run) -> list[Cell]:
    seed = formatting.DASH if run.seed is None else str(run.seed)
    return [Cell(run.model), Cell(seed), Cell(run.key), Cell(run.error or formatting.DASH)]


def provenance(study: Study) -> Section:
    """Versions, settings, runs and configurations; folded, because it is long."""
    counting = [run for run in study.runs if run.trial is None]
    blocks: list[Table | Folded] = [_versions(study.runs), _settings(counting), _runs(study, counting)]
    blocks += _configurations(counting)
    return Section("Versions and configurations", protocol(study.runs), blocks, folded=True)


def protocol(runs: list[Run]) -> list[str]:
    """What the runs rank; which ones rank what where they differ, as their figures do not compare."""
    settings: dict[str, list[str]] = {}
    for run in runs:
        if run.config.get("eval_args"):
            settings.setdefault(ranking_rule(run.config), []).append(run.setting)
    if len(settings) < 2:
        return [f"Ranking: {rule}." for rule in settings]
    parts = [f"{', '.join(dict.fromkeys(names))}: {rule}" for rule, names in settings.items()]
    return ["Runs with another ranking do not compare.", *(f"Ranking of {part}." for part in parts)]


def _versions(runs: list[Run]) -> Table:
    names = list(dict.fromkeys(name for run in runs for name in run.versions))
    counts: dict[tuple[str, ...], int] = {}
    for run in runs:
        found = tuple(str(run.versions.get(name) or formatting.DASH) for name in names)
        counts[found] = counts.get(found, 0) + 1
    rows = [Row(formatting.count(number), [Cell(text) for text in found]) for found, number in counts.items()]
    columns = [Column(name, number=False) for name in names]
    return Table("versions", "Versions and devices.", "Runs", columns, rows)


def _settings(runs: list[Run]) -> Table:
    rows: dict[tuple[str, str, str], Row] = {}
    for run in runs:
        changes = ", ".join(f"{key}: {json.dumps(value)}" for key, value in run.changes.items())
        cells = [Cell(run.model), Cell(changes or formatting.DASH)]
        rows.setdefault((run.dataset, run.setting, changes), Row(run.setting, cells, run.dataset))
    columns = [Column("Model", number=False), Column("Changes to its defaults", number=False)]
    return Table(
        "settings", "Settings.", "Setting", columns, sorted(rows.values(), key=lambda row: row.group)
    )


def _runs(study: Study, runs: list[Run]) -> Table:
    metric = written(study.main_metric)
    titles = (
        "Seed",
        "Epochs",
        "Best epoch",
        f"Validation {metric}",
        f"Test {metric}",
        "Seconds",
        "MiB",
        "Parameters",
    )
    columns = [Column("Run", number=False), *(Column(title) for title in titles)]
    rows = [
        Row(run.setting, _run_cells(run, study.main_metric), run.dataset)
        for run in sorted(runs, key=lambda run: run.dataset)
        if run.finished
    ]
    return Table("runs", "Finished runs.", "Setting", columns, rows)


def _run_cells(run: Run, metric: str) -> list[Cell]:
    return [
        Cell(run.key),
        Cell(formatting.DASH if run.seed is None else str(run.seed)),
        Cell(formatting.count(run.epochs)),
        Cell(formatting.count(run.best_epoch)),
        Cell(formatting.value(run.valid.get(metric))),
        Cell(formatting.value(run.test.get(metric))),
        Cell(formatting.amount(run.seconds)),
        Cell(formatting.count(run.peak_memory)),
        Cell(formatting.count(run.parameters)),
    ]


def _configurations(runs: list[Run]) -> list[Folded]:
    """The configuration of the first run of every setting on every dataset."""
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        first.setdefault((run.dataset, run.setting), run)
    return [
        Folded(
            f"Configuration of {setting} on {dataset} (seed {run.seed})",
            json.dumps(run.config, indent=1, sort_keys=True, ensure_ascii=False),
        )
        for (dataset, setting), run in first.items()
        if run.config
    ]

"""The searches behind the settings: how many trials each had, what they tried, and what was chosen."""

import json

from recbole_mmm4rec.benchmark.report import formatting
from recbole_mmm4rec.benchmark.report.comparison import best
from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better, written
from recbole_mmm4rec.benchmark.report.runs import Run
from recbole_mmm4rec.benchmark.report.section import BEST, Cell, Column, Row, Section, Table
from recbole_mmm4rec.benchmark.report.study import Study

Searches = dict[tuple[str, str], list[Run]]
"""Trials by dataset and setting."""
NOTE = (
    "Every setting is searched over the keys that its model knows, with the first seed and the same largest "
    "number of trials. The runs of all other sections have the values chosen here."
)


def tuning(study: Study) -> Section | None:
    """A row per search, and one per trial."""
    searches: Searches = {}
    for run in study.trials:
        searches.setdefault((run.dataset, run.setting), []).append(run)
    if not searches:
        return None
    text = ["Values were chosen by validation; the test data was not looked at in any trial."]
    return Section("Tuning", text, [_searches(searches), _trials(searches)])


def _scores(trials: list[Run]) -> dict[str, float]:
    """Validation of the trials that have a score, by key."""
    return {
        run.key: run.valid[run.valid_metric]
        for run in trials
        if run.finished and run.valid_metric in run.valid
    }


def _chosen(trials: list[Run]) -> Run | None:
    key = best(_scores(trials), trials[0].valid_metric)
    return next((run for run in trials if run.key == key), None)


def _metric(searches: Searches) -> str:
    return written(next(iter(searches.values()))[0].valid_metric)


def _searches(searches: Searches) -> Table:
    metric = _metric(searches)
    columns = [Column("Trials"), Column("Failed"), Column("Chosen", number=False), Column(f"Best {metric}")]
    columns += [Column(f"Worst {metric}"), Column("Seconds of all")]
    rows = [Row(setting, _cells(runs), dataset) for (dataset, setting), runs in searches.items()]
    return Table("tuning", "What was searched and chosen.", "Setting", columns, rows, [NOTE])


def _cells(runs: list[Run]) -> list[Cell]:
    chosen, smaller = _chosen(runs), smaller_is_better(runs[0].valid_metric)
    scores: list[float | None] = [*sorted(_scores(runs).values(), reverse=not smaller)]
    return [
        Cell(str(len(runs))),
        Cell(str(sum(not run.finished for run in runs))),
        Cell(_values(chosen) if chosen else formatting.DASH),
        *(Cell(formatting.value(score)) for score in (scores[:1] + scores[-1:] or [None, None])),
        Cell(formatting.amount(sum(run.seconds or 0 for run in runs))),
    ]


def _trials(searches: Searches) -> Table:
    columns = [Column("Values", number=False), Column("Epochs"), Column(f"Validation {_metric(searches)}")]
    rows: list[Row] = []
    for (dataset, setting), runs in searches.items():
        chosen = _chosen(runs)
        rows += [Row(setting, _trial_cells(run, run is chosen), dataset) for run in runs]
    return Table("trials", "All trials; chosen in bold.", "Setting", columns, rows, folded=True)


def _trial_cells(run: Run, is_chosen: bool) -> list[Cell]:
    return [
        Cell(_values(run)),
        Cell(formatting.count(run.epochs)),
        Cell(formatting.value(run.valid.get(run.valid_metric)), mark=BEST if is_chosen else ""),
    ]


def _values(run: Run) -> str:
    return ", ".join(f"{key}: {json.dumps(value)}" for key, value in (run.trial or {}).items())

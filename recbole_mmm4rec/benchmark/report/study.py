"""A benchmark's folder as the sections see it: runs by purpose, settings, metrics, styles."""

from dataclasses import dataclass
from functools import cached_property
from logging import getLogger
from pathlib import Path

from recbole_mmm4rec.benchmark.report.comparison import Comparison, best_validated, place_of
from recbole_mmm4rec.benchmark.report.contrasts import Contrast, user_contrasts
from recbole_mmm4rec.benchmark.report.drawing import Style, make_styles
from recbole_mmm4rec.benchmark.report.metrics import default_metrics
from recbole_mmm4rec.benchmark.report.plan import ReportPlan, read_plan
from recbole_mmm4rec.benchmark.report.runs import Run, read_runs
from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.errors import UserError

OUR_MODEL = "MMM4Rec"
LENGTH = "MAX_ITEM_LIST_LENGTH"
MOST_LINES = 8


@dataclass
class Study:
    """What the sections are made from.

    Attributes:
        runs: the runs that belong to the report.
        plan: what the report shows.
        users: per-user results.
    """

    runs: list[Run]
    plan: ReportPlan
    users: UserFiles

    @cached_property
    def failed(self) -> list[Run]:
        """Runs without a result."""
        return [run for run in self.runs if not run.finished]

    @cached_property
    def pretraining(self) -> list[Run]:
        """Finished runs that others start from."""
        return [run for run in self.runs if run.finished and run.stage == "pretrain"]

    @cached_property
    def trials(self) -> list[Run]:
        """Runs of the searches for the settings' best values."""
        return [run for run in self.runs if run.trial is not None]

    @cached_property
    def subset_only(self) -> bool:
        """Whether all runs left out the items that lack a modality."""
        return all(run.full_modality for run in self._tested)

    @cached_property
    def results(self) -> list[Run]:
        """Finished runs with test results; only those on whole datasets if there are any."""
        return [run for run in self._tested if self.subset_only or not run.full_modality]

    @cached_property
    def settings(self) -> list[str]:
        """All labels of runs with results: in the plan's order, then in the order of the runs."""
        found = dict.fromkeys(run.setting for run in self._tested)
        return [
            *(label for label in self.plan.settings if label in found),
            *(label for label in found if label not in self.plan.settings),
        ]

    @cached_property
    def without_result(self) -> list[str]:
        """Settings that the plan names but that no finished run has."""
        named = [*self.plan.settings, *self.plan.labels]
        return [label for label in dict.fromkeys(named) if label not in self.settings]

    @cached_property
    def metrics(self) -> list[str]:
        """Test metrics to show.

        Raises:
            UserError: no run has a metric that the plan names.
        """
        available = list(dict.fromkeys(metric for run in self._tested for metric in run.test))
        for metric in self.plan.metrics:
            if available and metric not in available:
                known = ", ".join(available)
                raise UserError(f"{self.plan.origin}: metric '{metric}' is in no run; there are {known}")
        return list(self.plan.metrics) or default_metrics(available)

    @cached_property
    def main_metric(self) -> str:
        """The metric of the figures: the validation metric if it is shown, else the first one shown."""
        chosen = dict.fromkeys(run.valid_metric for run in self._tested)
        return next((metric for metric in chosen if metric in self.metrics), (self.metrics or [""])[0])

    @cached_property
    def ours(self) -> str | None:
        """The setting that the report is about: the plan's choice, or our model with the fewest changes."""
        if self.plan.ours in self.settings:
            return self.plan.ours
        return _plainest([run for run in self.results if run.model == OUR_MODEL])

    @cached_property
    def model_of(self) -> dict[str, str]:
        """Model of each setting."""
        return {run.setting: run.model for run in self._tested}

    @cached_property
    def comparison(self) -> Comparison:
        """Ours against the baselines."""
        return self._compare(self.results)

    @cached_property
    def full_modality(self) -> Comparison:
        """The same for runs without the items that lack a modality."""
        return self._compare([run for run in self._tested if run.full_modality])

    @cached_property
    def drawn(self) -> list[str]:
        """Settings in figures with lines: all, or if there are many the best of them and the reference."""
        comparison, places = self.comparison, dict.fromkeys(self.comparison.others, 0)
        for dataset in comparison.datasets:
            means = comparison.means(dataset, self.main_metric)
            for label in places:
                places[label] += place_of(label, means, self.main_metric)
        chosen = sorted(places, key=lambda label: places[label])[: MOST_LINES - 1]
        return [label for label in comparison.settings if label in chosen or label == comparison.reference]

    @property
    def drawn_note(self) -> list[str]:
        """The sentence that says so if figures leave out settings."""
        count = len(self.comparison.settings)
        left_out = f"Of {count} settings, the {len(self.drawn)} best on test are drawn; the table has all."
        return [left_out] if len(self.drawn) < count else []

    @cached_property
    def styles(self) -> dict[str, Style]:
        """How each setting is drawn in every figure."""
        labels = dict.fromkeys([*self.drawn, *self.settings])  # the first styles differ most
        return make_styles(list(labels), self.ours or self.comparison.reference)

    @cached_property
    def user_contrasts(self) -> list[Contrast]:
        """The comparison's reference against the others, by user."""
        return user_contrasts(self.comparison, self.users)

    @cached_property
    def shortened(self) -> set[str]:
        """Settings that only vary the length of the histories."""
        by_rest: dict[str, dict[str, set[str]]] = {}
        for run in self.results:
            lengths = by_rest.setdefault(without_length(run), {})
            lengths.setdefault(repr(run.config.get(LENGTH)), set()).add(run.setting)
        swept = [labels for labels in by_rest.values() if len(labels) > 1]
        named = {run.setting for run in self.results if LENGTH in run.changes}
        return {label for labels in swept for found in labels.values() for label in found if label in named}

    @cached_property
    def _tested(self) -> list[Run]:
        return [run for run in self.runs if run.finished and run.stage != "pretrain" and run.test]

    def _compare(self, runs: list[Run]) -> Comparison:
        here = {run.setting for run in runs}
        ours = self._ours_among(runs)
        named = {label: group for group, labels in self.plan.baselines.items() for label in labels}
        groups = {label: group for label, group in named.items() if label in here}
        groups = groups or dict.fromkeys(self._default_baselines(here, ours), "")
        if ours is not None:
            groups.setdefault(ours, "")
        labels = list(groups)
        chosen = [run for run in runs if run.setting in groups]
        reference = ours or best_validated(chosen, labels)
        return Comparison(chosen, labels, groups, self.metrics, reference if len(labels) > 1 else None)

    def _ours_among(self, runs: list[Run]) -> str | None:
        """Ours, or the plainest setting of its model if ours is not among the runs."""
        if self.ours is None or any(run.setting == self.ours for run in runs):
            return self.ours
        return _plainest([run for run in runs if run.model == self.model_of[self.ours]])

    def _default_baselines(self, here: set[str], ours: str | None) -> list[str]:
        """Settings of other models; of the same model if there are no others."""
        labels = [label for label in self.settings if label in here and label != ours]
        labels = [label for label in labels if label not in self.shortened] or labels
        others = [label for label in labels if self.model_of[label] != self.model_of.get(ours or "")]
        return others or labels


def _plainest(runs: list[Run]) -> str | None:
    """The setting with the fewest changes, trained from scratch if possible."""
    plainest = min(runs, key=lambda run: (not run.from_scratch, len(run.changes)), default=None)
    return plainest.setting if plainest else None


def without_length(run: Run) -> str:
    """What a run shares with those that differ from it only in the length of the histories (and the seed)."""
    rest = sorted((key, str(value)) for key, value in run.changes.items() if key != LENGTH)
    return str((run.model, run.dataset, rest, run.from_scratch))


RUNS = "runs.jsonl"


def read_study(folder: Path) -> Study:
    """Read a benchmark's folder.

    Raises:
        UserError: a file is missing or broken; names it.
    """
    plan, runs = read_plan(folder), read_runs(folder / RUNS)
    runs = _unambiguous(_newest(_belonging(runs, plan)))
    if not runs:
        raise UserError(f"{folder / RUNS}: has none of the runs that the plan names")
    return Study(runs, plan, UserFiles(folder))


def _belonging(runs: list[Run], plan: ReportPlan) -> list[Run]:
    """The plan's runs, and the runs they start from."""
    if plan.keys:
        wanted = plan.keys | {run.pretrain_key for run in runs if run.key in plan.keys}
        runs = [run for run in runs if run.key in wanted]
    if plan.settings:
        runs = [run for run in runs if run.setting in plan.settings or run.stage == "pretrain"]
    return runs


def _newest(runs: list[Run]) -> list[Run]:
    """Of runs that differ only in their configuration, the last: the setting was changed in between."""
    last: dict[tuple[object, ...], Run] = {}
    for run in runs:
        own = run.key if run.stage == "pretrain" or run.trial is not None else run.full_modality
        place = (run.setting, run.model, run.dataset, run.seed, own)
        if place in last:
            getLogger().warning("%s: left out, %s has the same setting and seed", last[place].key, run.key)
        last[place] = run
    return list(last.values())


def _unambiguous(runs: list[Run]) -> list[Run]:
    """Runs with the model's name in the label if several models share the label."""
    models: dict[str, set[str]] = {}
    for run in runs:
        models.setdefault(run.setting, set()).add(run.model)
    return [_named_by_model(run) if len(models[run.setting]) > 1 else run for run in runs]


def _named_by_model(run: Run) -> Run:
    return run.model_copy(update={"setting": f"{run.model} {run.setting}"})

"""A benchmark's folder, read: its runs by what they are good for, and what the report's reader asked for."""

from dataclasses import dataclass
from functools import cached_property

from recbole_mmm4rec.benchmark.report.comparison import Comparison, best_validated, place_of
from recbole_mmm4rec.benchmark.report.drawing import Style, make_styles
from recbole_mmm4rec.benchmark.report.metrics import default_metrics
from recbole_mmm4rec.benchmark.report.pairing import Contrast, user_contrasts
from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.errors import UserError

OUR_MODEL = "MMM4Rec"
LENGTH = "MAX_ITEM_LIST_LENGTH"
MOST_LINES = 8


@dataclass
class Study:
    """Everything the sections are made from.

    Attributes:
        runs: all runs that belong to the report.
        plan: what it shall show.
        users: results of single users.
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
    def subset_only(self) -> bool:
        """Whether all runs left items without every modality out."""
        return all(run.full_modality for run in self._tested)

    @cached_property
    def results(self) -> list[Run]:
        """Finished runs with test results: those on whole datasets, as far as there are any."""
        return [run for run in self._tested if self.subset_only or not run.full_modality]

    @cached_property
    def settings(self) -> list[str]:
        """All labels of runs with results: the plan's order, then that of the runs."""
        found = dict.fromkeys(run.setting for run in self._tested)
        return [
            *(label for label in self.plan.settings if label in found),
            *(label for label in found if label not in self.plan.settings),
        ]

    @cached_property
    def without_result(self) -> list[str]:
        """Settings that the plan names and no finished run has."""
        named = [*self.plan.settings, *self.plan.labels]
        return [label for label in dict.fromkeys(named) if label not in self.settings]

    @cached_property
    def metrics(self) -> list[str]:
        """Test metrics to show.

        Raises:
            UserError: one that the plan names is in no run.
        """
        available = list(dict.fromkeys(metric for run in self._tested for metric in run.test))
        for metric in self.plan.metrics:
            if available and metric not in available:
                known = ", ".join(available)
                raise UserError(f"{self.plan.origin}: metric '{metric}' is in no run; there are {known}")
        return list(self.plan.metrics) or default_metrics(available)

    @cached_property
    def main_metric(self) -> str:
        """The metric of figures: what validation chose by, if it is shown, else the first one shown."""
        chosen = dict.fromkeys(run.valid_metric for run in self._tested)
        return next((metric for metric in chosen if metric in self.metrics), (self.metrics or [""])[0])

    @cached_property
    def ours(self) -> str | None:
        """The setting that the report is about: the plan's, or our model with the fewest changes."""
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
        """The same where items without every modality were filtered out."""
        return self._compare([run for run in self._tested if run.full_modality])

    @cached_property
    def drawn(self) -> list[str]:
        """Settings that figures with lines show: all, or the best of them and the reference."""
        comparison, places = self.comparison, dict.fromkeys(self.comparison.others, 0)
        for dataset in comparison.datasets:
            means = comparison.means(dataset, self.main_metric)
            for label in places:
                places[label] += place_of(label, means, self.main_metric)
        chosen = sorted(places, key=lambda label: places[label])[: MOST_LINES - 1]
        return [label for label in comparison.settings if label in chosen or label == comparison.reference]

    @property
    def drawn_note(self) -> list[str]:
        """Says so where figures leave settings out."""
        count = len(self.comparison.settings)
        left_out = f"Of {count} settings, the {len(self.drawn)} best on test are drawn; the table has all."
        return [left_out] if len(self.drawn) < count else []

    @cached_property
    def styles(self) -> dict[str, Style]:
        """How each setting is drawn, in every figure."""
        labels = dict.fromkeys([*self.drawn, *self.settings])  # the first ones look least alike
        return make_styles(list(labels), self.ours or self.comparison.reference)

    @cached_property
    def user_contrasts(self) -> list[Contrast]:
        """The comparison's reference against the others, by user."""
        return user_contrasts(self.comparison, self.users)

    @cached_property
    def shortened(self) -> set[str]:
        """Settings that are there to show the effect of the history's length alone."""
        by_rest: dict[str, dict[object, set[str]]] = {}
        for run in self.results:
            lengths = by_rest.setdefault(without_length(run), {})
            lengths.setdefault(run.config.get(LENGTH), set()).add(run.setting)
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
        """Ours, or the plainest setting of its model where ours did not run."""
        if self.ours is None or any(run.setting == self.ours for run in runs):
            return self.ours
        return _plainest([run for run in runs if run.model == self.model_of[self.ours]])

    def _default_baselines(self, here: set[str], ours: str | None) -> list[str]:
        """Settings of other models; of the same model where there is no other."""
        labels = [label for label in self.settings if label in here and label != ours]
        labels = [label for label in labels if label not in self.shortened] or labels
        others = [label for label in labels if self.model_of[label] != self.model_of.get(ours or "")]
        return others or labels


def _plainest(runs: list[Run]) -> str | None:
    """The setting with the fewest changes, from scratch if possible."""
    plainest = min(runs, key=lambda run: (bool(run.pretrain_key), len(run.changes)), default=None)
    return plainest.setting if plainest else None


def without_length(run: Run) -> str:
    """What a run shares with those that differ from it by the history's length (and the seed) alone."""
    rest = sorted((key, str(value)) for key, value in run.changes.items() if key != LENGTH)
    return str((run.model, run.dataset, rest, bool(run.pretrain_key)))

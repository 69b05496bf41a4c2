"""A benchmark's folder, read: its runs by what they are good for, and what the report's reader asked for."""

from dataclasses import dataclass
from functools import cached_property

from recbole_mmm4rec.benchmark.report.comparison import Comparison, best_validated
from recbole_mmm4rec.benchmark.report.drawing import Style, make_styles
from recbole_mmm4rec.benchmark.report.metrics import default_metrics
from recbole_mmm4rec.benchmark.report.pairing import Contrast, user_contrasts
from recbole_mmm4rec.benchmark.report.plan import ReportPlan
from recbole_mmm4rec.benchmark.report.run import Run
from recbole_mmm4rec.benchmark.report.users import UserFiles
from recbole_mmm4rec.errors import UserError

OUR_MODEL = "MMM4Rec"
LENGTH = "MAX_ITEM_LIST_LENGTH"


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
    def results(self) -> list[Run]:
        """Finished runs with test results, on the whole dataset."""
        return [run for run in self._tested if not run.full_modality]

    @cached_property
    def settings(self) -> list[str]:
        """All labels of runs with results: the plan's order, then that of the runs."""
        found = dict.fromkeys(run.setting for run in self._tested)
        return [
            *(label for label in self.plan.settings if label in found),
            *(label for label in found if label not in self.plan.settings),
        ]

    @cached_property
    def metrics(self) -> list[str]:
        """Test metrics to show.

        Raises:
            UserError: one that the plan names is in no run.
        """
        available = list(dict.fromkeys(metric for run in self._tested for metric in run.test))
        for metric in self.plan.metrics:
            if available and metric not in available:
                raise UserError(f"report: metric '{metric}' is in no run; there are {', '.join(available)}")
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
        mine = [run for run in self.results if run.model == OUR_MODEL]
        plainest = min(mine, key=lambda run: (bool(run.pretrain_key), len(run.changes)), default=None)
        return plainest.setting if plainest else None

    @cached_property
    def model_of(self) -> dict[str, str]:
        """Model of each setting."""
        return {run.setting: run.model for run in self._tested}

    @cached_property
    def comparison(self) -> Comparison:
        """Ours against the baselines, on whole datasets."""
        return self._compare(self.results)

    @cached_property
    def full_modality(self) -> Comparison:
        """The same where items without every modality were filtered out."""
        return self._compare([run for run in self._tested if run.full_modality])

    @cached_property
    def styles(self) -> dict[str, Style]:
        """How each setting is drawn, in every figure."""
        return make_styles(self.settings, self.ours)

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
        groups = {
            label: group for group, labels in self.plan.baselines.items() for label in labels if label in here
        }
        if not groups:
            groups = dict.fromkeys(self._default_baselines(here), "")
        if self.ours in here and self.ours is not None:
            groups.setdefault(self.ours, "" if not any(groups.values()) else "ours")
        labels = list(groups)
        chosen = [run for run in runs if run.setting in groups]
        reference = self.ours if self.ours in here else best_validated(chosen, labels)
        return Comparison(chosen, labels, groups, self.metrics, reference if len(labels) > 1 else None)

    def _default_baselines(self, here: set[str]) -> list[str]:
        """Settings of other models; all settings where there is no other model. Ours comes last."""
        labels = [label for label in self.settings if label in here and label not in self.shortened]
        labels = labels or [label for label in self.settings if label in here]
        mine = self.model_of.get(self.ours or "")
        others = [label for label in labels if self.model_of[label] != mine]
        return others or [label for label in labels if label != self.ours]


def without_length(run: Run) -> str:
    """What a run shares with those that differ from it by the history's length (and the seed) alone."""
    rest = sorted((key, str(value)) for key, value in run.changes.items() if key != LENGTH)
    return str((run.model, run.dataset, rest, bool(run.pretrain_key)))

"""Settings side by side: their runs, means and ranks, and the reference's improvement over the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from recbole_mmm4rec.benchmark.report.metrics import smaller_is_better
from recbole_mmm4rec.benchmark.report.runs import Run

DIGITS = 4
"""Decimals of a metric in the tables; values that are equal to this precision share a rank."""


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (of a sample, n - 1; None for one value) and number of values."""

    mean: float
    deviation: float | None
    count: int


def summarise(values: Sequence[float]) -> Summary | None:
    """Mean and standard deviation of values; None if there are none."""
    if not values:
        return None
    return Summary(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class Comparison:
    """Finished runs of some settings.

    Attributes:
        runs: all of them, of any dataset.
        settings: labels in the order of the tables' columns.
        groups: the upper heading of each label.
        metrics: lower-case names.
        reference: the setting that is compared with the best of the others; None for a single setting.
    """

    runs: list[Run]
    settings: list[str]
    groups: dict[str, str]
    metrics: list[str]
    reference: str | None

    @property
    def datasets(self) -> list[str]:
        """Datasets in the order of the runs."""
        return list(dict.fromkeys(run.dataset for run in self.runs))

    @property
    def others(self) -> list[str]:
        """All settings except the reference."""
        return [label for label in self.settings if label != self.reference]

    @property
    def several_seeds(self) -> bool:
        """Whether any setting ran with more than one seed."""
        cases = ((dataset, label) for dataset in self.datasets for label in self.settings)
        return any(len(self.of(*case)) > 1 for case in cases)

    @property
    def bars_note(self) -> list[str]:
        """The sentence that explains error bars, if there are any."""
        return ["Bars: standard deviation over seeds."] if self.several_seeds else []

    def of(self, dataset: str, setting: str) -> list[Run]:
        """Runs of a setting on a dataset, one or more per seed."""
        return [run for run in self.runs if run.dataset == dataset and run.setting == setting]

    def by_seed(self, dataset: str, setting: str) -> dict[int | None, list[Run]]:
        """The same by seed."""
        runs = self.of(dataset, setting)
        return {seed: [r for r in runs if r.seed == seed] for seed in dict.fromkeys(r.seed for r in runs)}

    def summary(self, dataset: str, setting: str, metric: str) -> Summary | None:
        """Mean and standard deviation of a test metric over a setting's runs."""
        return self.summarise(dataset, setting, lambda run: run.test.get(metric))

    def summarise(self, dataset: str, setting: str, measure: Callable[[Run], float | None]) -> Summary | None:
        """Mean and standard deviation of a measure over the runs of a setting that have it."""
        values = (measure(run) for run in self.of(dataset, setting))
        return summarise([value for value in values if value is not None])

    def means(self, dataset: str, metric: str) -> dict[str, float]:
        """Mean test metric of every setting that has one, in the order of the columns."""
        found = {label: self.summary(dataset, label, metric) for label in self.settings}
        return {label: summary.mean for label, summary in found.items() if summary}

    def best_other(self, dataset: str, metric: str) -> str | None:
        """The best setting other than the reference; the first of equals."""
        means = {
            label: mean for label, mean in self.means(dataset, metric).items() if label != self.reference
        }
        return best(means, metric)

    def improvement(self, dataset: str, metric: str) -> float | None:
        """(reference - best other) / best other, positive where the reference is better."""
        means, other = self.means(dataset, metric), self.best_other(dataset, metric)
        if other is None or self.reference not in means or not means[other]:
            return None
        change = (means[self.reference] - means[other]) / abs(means[other])
        return -change if smaller_is_better(metric) else change


def best(values: dict[str, float], metric: str) -> str | None:
    """The label of the best value; the first of equals, None if there are no values."""
    if not values:
        return None
    return (min if smaller_is_better(metric) else max)(values, key=lambda label: values[label])


def place_of(label: str, values: dict[str, float], metric: str) -> int:
    """How many values are better than a label's; all of them if it has none."""
    if label not in values:
        return len(values)
    sign = -1 if smaller_is_better(metric) else 1
    return sum(sign * value > sign * values[label] for value in values.values())


def ranks(values: dict[str, float], metric: str) -> dict[str, int]:
    """0 for the best and 1 for the second, at the printed precision; the others are left out.

    Equal values share a rank. A single value has none.
    """
    printed = {label: round(value, DIGITS) for label, value in values.items()}
    order = sorted(set(printed.values()), reverse=not smaller_is_better(metric))[:2]
    return {
        label: order.index(value) for label, value in printed.items() if value in order and len(values) > 1
    }


def best_validated(runs: list[Run], settings: list[str]) -> str | None:
    """The setting with the best mean rank on validation over the datasets. Test results play no part."""
    places: dict[str, list[int]] = {}
    for dataset in dict.fromkeys(run.dataset for run in runs):
        here = [run for run in runs if run.dataset == dataset and run.valid_metric in run.valid]
        chosen_by = dict.fromkeys(run.valid_metric for run in here)
        # settings that chose their epochs by different metrics are compared by one that all of them have
        metric = next((name for name in chosen_by if all(name in run.valid for run in here)), None)
        if metric is None:
            continue
        scores: dict[str, list[float]] = {}
        for run in here:
            scores.setdefault(run.setting, []).append(run.valid[metric])
        order = sorted(scores, key=lambda label: fmean(scores[label]), reverse=not smaller_is_better(metric))
        for place, label in enumerate(order):
            places.setdefault(label, []).append(place)
    known = [label for label in settings if label in places]
    return min(known, key=lambda label: fmean(places[label]), default=settings[0] if settings else None)

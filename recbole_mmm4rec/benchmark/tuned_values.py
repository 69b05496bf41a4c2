"""The same small search for every setting of a benchmark: its space and budget, and what it chose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recbole_mmm4rec.benchmark.record import FINISHED
from recbole_mmm4rec.benchmark.report.comparison import best
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.tuning.space import Space, drawn

Chosen = dict[tuple[str, str], dict[str, Any]]
"""Values by the name of a setting and a dataset."""


@dataclass(frozen=True)
class Tuning:
    """What is searched for each setting on each dataset.

    Attributes:
        space: values by key; a setting is searched over keys that its model knows and it does not set.
        max_evals: the most trials of a setting; fewer only where there are not as many different ones.
    """

    space: Space
    max_evals: int

    def proposals(self, keys: Iterable[str], seed: int) -> list[dict[str, Any]]:
        """Sets of values for the keys that may be searched, the same ones for the same seed."""
        space = {key: values for key, values in self.space.items() if key in set(keys)}
        return drawn(space, self.max_evals, seed) if space else []


def best_values(trials: Iterable[RunPlan], rows: Mapping[str, Mapping[str, Any]]) -> Chosen:
    """What validated best, the first of equals; a setting none of whose trials has a score is absent.

    Args:
        trials: runs with values to try.
        rows: their records by key, those that there are.
    """
    searches: dict[tuple[str, str], list[RunPlan]] = {}
    for plan in trials:
        searches.setdefault((plan.setting, plan.dataset), []).append(plan)
    chosen: Chosen = {}
    for place, plans in searches.items():
        metric = str(plans[0].config["valid_metric"]).lower()
        found = {plan.key: rows[plan.key] for plan in plans if plan.key in rows}
        scores = {
            key: row["valid"][metric]
            for key, row in found.items()
            if row["status"] == FINISHED and metric in row["valid"]
        }
        key = best(scores, metric)
        if key is not None:
            chosen[place] = next(dict(plan.trial or {}) for plan in plans if plan.key == key)
    return chosen

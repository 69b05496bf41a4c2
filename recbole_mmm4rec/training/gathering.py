"""How every trainer evaluates: ties in no order, and rows of several processes counted once each."""

from typing import Any

from recbole_mmm4rec.training.collecting import RankCollector, RankEvaluator


class RankedEvaluation:
    """Comes before a trainer of RecBole in the list of bases.

    RecBole orders equal scores arbitrarily. In several processes it averages their own metrics, weighted by
    their numbers of batches, and counts rows twice that ``DistributedSampler`` repeats to make the shares
    equal.
    """

    def __init__(self, config: Any, model: Any) -> None:
        super().__init__(config, model)  # type: ignore[call-arg]
        self.eval_collector, self.evaluator = RankCollector(config), RankEvaluator(config)

    def evaluate(self, eval_data: Any, *args: Any, **kwargs: Any) -> Any:
        """RecBole's result for the rows of all processes; arguments as in RecBole's trainer."""
        self.eval_collector.loader = eval_data
        return super().evaluate(eval_data, *args, **kwargs)  # type: ignore[misc]

    def _map_reduce(self, result: dict[str, float], num_sample: int) -> dict[str, float]:  # noqa: ARG002
        """The collector has gathered the rows of all processes: the result is already the whole one."""
        return result

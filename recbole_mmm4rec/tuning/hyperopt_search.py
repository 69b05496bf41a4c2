"""RecBole's ``HyperTuning`` with validation as its objective, one dataset, and a memory."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import hyperopt
from recbole.trainer import HyperTuning

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import working_in
from recbole_mmm4rec.tuning.search import FAILED, Trials, trial_record
from recbole_mmm4rec.tuning.space import as_recbole_dict, chosen, every, size
from recbole_mmm4rec.tuning.trial_store import TrialStore

LOGGER = logging.getLogger("recbole_mmm4rec")
SEED_VARIABLE = "HYPEROPT_FMIN_SEED"


class RememberingTuning(HyperTuning):
    """RecBole's search over trials of ours.

    RecBole's own objective takes the test set along and leaves a checkpoint a trial. What is proposed follows
    from a seed and from the scores so far: a search that is started again proposes the same sets of values,
    finds the finished ones in the store and goes on after them.

    Args:
        trials: does a trial.
        store: trials that are over.
        algorithm: ``exhaustive``, ``random`` or ``bayes``.
        max_evals: most sets of values, those looked up included.
        early_stop: end after this many without improvement.
    """

    def __init__(
        self, trials: Trials, store: TrialStore, algorithm: str, max_evals: int, early_stop: int
    ) -> None:
        self.trials, self.store = trials, store
        space = as_recbole_dict(trials.search.space)
        super().__init__(
            self.objective, params_dict=space, algo=algorithm, max_evals=max_evals, early_stop=early_stop
        )
        self.max_evals: int = max_evals  # RecBole puts the size of the space here

    def objective(self, params: dict[str, Any], _: Any = None) -> dict[str, Any]:
        """RecBole's result of a trial, without a test result: done now, or done before.

        Raises:
            TrialFailedError: the model refuses these values, or training fails.
        """
        params = chosen(self.trials.search.space, params)
        record = self.store.get(self.trials.search.key(params))
        known = record is not None
        if record is None:
            record = self._try(params)
            self.store.add(record)
        _log(record, known)
        if record["status"] == FAILED:
            raise TrialFailedError(record["error"])
        return {
            "model": self.trials.search.model,
            "best_valid_score": record["score"],
            "valid_score_bigger": self.store.bigger,
            "best_valid_result": record["valid"],
            "test_result": None,
        }

    def _try(self, params: dict[str, Any]) -> dict[str, Any]:
        search = self.trials.search
        try:
            with working_in(search.checkpoints(search.key(params))):
                return self.trials.run(params)
        except Exception as error:  # one bad set of values does not end a search
            return trial_record(search.key(params), search.fitting(params), FAILED, f"{error}")

    def trial(self, params: dict[str, Any]) -> dict[str, Any]:
        """A trial's loss for hyperopt. RecBole prints what the log says already."""
        with redirect_stdout(io.StringIO()):
            try:
                return super().trial(params)
            except TrialFailedError:
                return {"loss": float("inf"), "status": hyperopt.STATUS_FAIL}


class TrialFailedError(Exception):
    """A trial without a score."""


def search_with_hyperopt(
    trials: Trials,
    store: TrialStore,
    algorithm: str,
    max_evals: int | None,
    early_stop: int | None,
    seed: int,
) -> None:
    """Search in this process, one trial after the other.

    Args:
        trials: does a trial.
        store: trials that are over; new ones are added.
        algorithm: ``exhaustive``, ``random`` or ``bayes``.
        max_evals: most sets of values; by default all of an exhaustive search, else 100.
        early_stop: end after this many sets without improvement; by default never.
        seed: of the proposals.

    Raises:
        UserError: an exhaustive search over a continuous range, or no trial gave a score.
    """
    if algorithm == "exhaustive":
        next(every(trials.search.space))  # refuses continuous ranges
    most = int(min(size(trials.search.space), max_evals or (10**9 if algorithm == "exhaustive" else 100)))
    tuning = RememberingTuning(trials, store, algorithm, most, early_stop or most + 1)
    with _seeded(seed):
        try:
            tuning.run()
        except hyperopt.exceptions.AllTrialsFailed:
            raise UserError(_first_failure(store)) from None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """RecBole gives hyperopt no seed; the environment does."""
    before = os.environ.get(SEED_VARIABLE)
    os.environ[SEED_VARIABLE] = str(seed)
    try:
        yield
    finally:
        os.environ.pop(SEED_VARIABLE)
        if before is not None:
            os.environ[SEED_VARIABLE] = before


def _first_failure(store: TrialStore) -> str:
    errors = [row["error"] for row in store.rows.values() if row["error"]]
    return f"no trial gave a score; the first ended with: {errors[0] if errors else 'nothing'}"


def _log(record: dict[str, Any], known: bool) -> None:
    outcome = record["error"] if record["score"] is None else f"{record['score']:.4f}"
    LOGGER.info("%s%s: %s", "known: " if known else "", record["params"], outcome)

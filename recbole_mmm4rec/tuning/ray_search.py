"""Ray Tune with early stopping by ASHA: bad trials end after few epochs, several run at a time.

What is tried is drawn here from a seed, so that a search that is started again tries the same sets of values.
Trials that are over report their recorded scores at once: the scheduler knows what it knew.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start.ray_session import start_ray
from recbole_mmm4rec.training.process import prepare_process
from recbole_mmm4rec.tuning.ray_away import TRIES, Away, Parcel
from recbole_mmm4rec.tuning.search import FAILED, STOPPED, Trials, trial_record
from recbole_mmm4rec.tuning.space import drawn, every
from recbole_mmm4rec.tuning.trial_store import TrialStore

LOGGER = logging.getLogger("recbole_mmm4rec")
EPOCH, SCORE, RECORD, NUMBER = "epoch", "score", "record", "number"
_QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}


@dataclass(frozen=True)
class Resources:
    """What Ray gives each trial, and when ASHA may end one."""

    cpus: float = 1
    gpus: float = 0
    grace_period: int = 3


def search_with_ray(
    trials: Trials,
    store: TrialStore,
    algorithm: str,
    max_evals: int | None,
    seed: int,
    resources: Resources,
    address: str | None = None,
) -> None:
    """Search with Ray, as many trials at a time as the machine or the cluster has room for.

    Args:
        trials: does a trial; its dataset is built here and put into Ray's object store once.
        store: trials that are over; only this process adds new ones.
        algorithm: ``asha`` (random, with early stopping), ``random`` or ``exhaustive`` (both to the end).
        max_evals: most sets of values; by default all of an exhaustive search, else 100.
        seed: of the draws.
        resources: what each trial gets.
        address: of a cluster, see :func:`~recbole_mmm4rec.quick_start.ray_session.start_ray`. Its nodes need
            not see the search's folder.

    Raises:
        UserError: no cluster there, an exhaustive search over a continuous range, or no trial gave a score.
    """
    chosen = _proposals(trials, algorithm, max_evals, seed)
    config = trials.search.first()
    trials.data.loaders(config)
    place = trials.search.folder / "ray"
    os.environ.update(_QUIET)
    session = start_ray(address=address)
    away = Away(session, trials.search) if session.is_cluster else None
    try:
        bookkeeping = Bookkeeping(trials, store, chosen, away)
        there = None if away is None else away.parcel
        work = tune.with_parameters(_work, trials=trials, chosen=chosen, known=dict(store.rows), away=there)
        tune.Tuner(
            tune.with_resources(work, {"cpu": resources.cpus, "gpu": resources.gpus}),
            param_space={NUMBER: tune.grid_search(list(range(len(chosen))))},
            tune_config=tune.TuneConfig(
                metric=SCORE,
                mode="max" if store.bigger else "min",
                scheduler=_scheduler(algorithm, int(config["epochs"]), resources.grace_period),
            ),
            run_config=tune.RunConfig(
                storage_path=str(place),
                name="search",
                callbacks=[bookkeeping],
                verbose=0,
                # a trial whose node leaves is begun again on another
                failure_config=tune.FailureConfig(max_failures=0 if away is None else TRIES - 1),
            ),
        ).fit()
    finally:
        if away is not None:
            away.close()
        session.close()
        shutil.rmtree(place, ignore_errors=True)
    if store.best() is None:
        raise UserError(f"no trial gave a score; the first ended with: {bookkeeping.first_error}")


def _proposals(trials: Trials, algorithm: str, max_evals: int | None, seed: int) -> list[dict[str, Any]]:
    space = trials.search.space
    if algorithm == "exhaustive":
        return list(every(space))[:max_evals]
    return drawn(space, max_evals or 100, seed)


def _scheduler(algorithm: str, epochs: int, grace_period: int) -> Any:
    if algorithm != "asha":
        return FIFOScheduler()
    # one more than the last epoch, so that the final report is never cut off
    return ASHAScheduler(time_attr=EPOCH, max_t=epochs + 2, grace_period=min(grace_period, epochs))


def _work(
    config: dict[str, Any],
    trials: Trials,
    chosen: list[dict[str, Any]],
    known: dict[str, Any],
    away: Parcel | None,
) -> None:
    """One trial in a Ray worker. It reports every epoch's score, at the end its record."""
    prepare_process()
    if away is not None:
        trials.search = away.open(trials.search)
    params = chosen[config[NUMBER]]
    key = trials.search.key(params)
    done = known.get(key)
    send = away.sender(trials.search, key).send if away is not None else lambda: None
    record = _again(done) if done else _try(trials, params, send)
    send()
    score = record["score"] if record["score"] is not None else _worst(trials)
    tune.report({EPOCH: max(record["epochs"], 1) + 1, SCORE: score, RECORD: json.dumps(record)})


def _again(record: dict[str, Any]) -> dict[str, Any]:
    """Report to the scheduler what it was given when the trial finished."""
    for epoch, score in enumerate(record["scores"]):
        tune.report({EPOCH: epoch + 1, SCORE: score, RECORD: ""})
    return record


def _try(trials: Trials, params: dict[str, Any], send: Callable[[], None]) -> dict[str, Any]:
    def watch(epoch: int, score: float) -> None:
        send()  # the scheduler may end the trial at the report
        tune.report({EPOCH: epoch + 1, SCORE: score, RECORD: ""})

    try:
        return trials.run(params, watch)
    except Exception as error:  # one bad set of values does not end a search
        search = trials.search
        return trial_record(search.key(params), search.fitting(params), FAILED, f"{error}")


def _worst(trials: Trials) -> float:
    return float("-inf") if trials.search.first()["valid_metric_bigger"] else float("inf")


class Bookkeeping(tune.Callback):
    """Writes down trials in the process that searches, those that the scheduler ended too."""

    def __init__(
        self, trials: Trials, store: TrialStore, chosen: list[dict[str, Any]], away: Away | None = None
    ) -> None:
        self.search, self.store, self.chosen, self.away = trials.search, store, chosen, away
        self.scores: dict[str, list[float]] = {}
        self.seconds: dict[str, float] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.first_error = "nothing"

    def on_trial_result(self, trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Note an epoch's score, or the record that ends a trial."""
        self._receive()
        self.seconds[trial.trial_id] = result.get("time_total_s", 0.0)
        if result.get(RECORD):
            self.records[trial.trial_id] = json.loads(result[RECORD])
        else:  # a trial that begins again tells its first epochs again
            before = self.scores.get(trial.trial_id, [])[: result[EPOCH] - 1]
            self.scores[trial.trial_id] = [*before, result[SCORE]]

    def on_trial_complete(self, trial: Any, **_: Any) -> None:
        """Write a trial down that has ended or was ended."""
        params = self.chosen[trial.config[NUMBER]]
        self._add(self.records.get(trial.trial_id) or self._stopped(trial.trial_id, params))

    def on_trial_error(self, trial: Any, **_: Any) -> None:
        """Write a trial down whose worker died."""
        params = self.chosen[trial.config[NUMBER]]
        key, values = self.search.key(params), self.search.fitting(params)
        self._add(trial_record(key, values, FAILED, "its Ray worker died"))

    def _stopped(self, trial: str, params: dict[str, Any]) -> dict[str, Any]:
        scores = self.scores.get(trial, [])
        pick = max if self.store.bigger else min
        return trial_record(self.search.key(params), self.search.fitting(params), STOPPED) | {
            "score": pick(scores, default=None),
            "epochs": len(scores),
            "scores": scores,
            "seconds": round(self.seconds.get(trial, 0.0), 2),
        }

    def _receive(self) -> None:
        if self.away is not None:
            self.away.post.receive()

    def _add(self, record: dict[str, Any]) -> None:
        self._receive()
        known = self.store.get(record["key"])
        if known is None:
            self.store.add(record)
        if record["error"] and self.first_error == "nothing":
            self.first_error = record["error"]
        outcome = record["error"] if record["score"] is None else f"{record['score']:.4f}"
        told = "known: " if known else ""
        LOGGER.info("%s%s: %s, %s", told, record["params"], outcome, (known or record)["status"])

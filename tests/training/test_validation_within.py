"""Validation within an epoch: which points, which weights, and that training does not notice it."""

import logging
from itertools import pairwise

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training import stopwatch
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from recbole_mmm4rec.training.training_state import TrainingState
from tests.tiny import OpaqueModel, TinyModel, assert_equal, make_config, make_run, weights

NOISY = {"drop": 0.3, "noise": 0.1}


def steps_of(trainer):
    return [point.steps for point in trainer.record.within]


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (TinyModel, {}),
        (TinyModel, {"ema_decay": 0.9, "rate_schedule": "cosine", "warmup_epochs": 0.5}),
        (TinyModel, {"accumulation_steps": 2}),
        (OpaqueModel, {}),
        (TinyModel, {"mode": "uni5"}),
        (TinyModel, {"metrics": ["NDCG", "ItemCoverage"]}),
    ],
    ids=str,
)
def test_training_is_the_same_with_and_without_bit_for_bit(folder, model, keys):
    plain, train, valid, test = make_run(make_config(folder, model, **NOISY, **keys))
    best, tested = plain.fit(train, valid), plain.evaluate(test)
    looking, train, valid, test = make_run(make_config(folder, model, **NOISY, **keys, eval_interval_steps=2))
    assert (looking.fit(train, valid), looking.evaluate(test)) == (best, tested)
    assert steps_of(plain) == []
    assert len(steps_of(looking)) > 3
    assert_equal(weights(looking), weights(plain))
    assert_equal(looking.optimizer.state_dict(), plain.optimizer.state_dict())
    assert looking.record.losses == plain.record.losses
    assert looking.record.valid == plain.record.valid
    assert (looking.record.best_epoch, looking.cur_step) == (plain.record.best_epoch, plain.cur_step)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_points_are_the_start_and_every_so_many_steps_but_no_end_of_an_epoch(folder, accumulation):
    config = make_config(folder, eval_interval_steps=3, accumulation_steps=accumulation)
    trainer, train, valid, _ = make_run(config)
    trainer.fit(train, valid)
    per_epoch = -(-len(train) // accumulation)
    ends = {per_epoch * epoch for epoch in (1, 2, 3)}
    assert steps_of(trainer) == [step for step in range(0, trainer.record.steps, 3) if step not in ends]
    assert all(point.valid.keys() == trainer.record.valid[0].keys() for point in trainer.record.within)


@pytest.mark.parametrize("keys", [{}, {"ema_decay": 0.9}])
def test_a_point_is_what_the_weights_of_its_step_give_alone(folder, keys):
    config = make_config(folder, epochs=1, eval_interval_steps=3, **keys)
    trainer, train, valid, _ = make_run(config)
    seen = {}
    validate = trainer.evaluate

    def watching(*args, **options):
        seen[trainer.record.steps] = weights(trainer)
        return validate(*args, **options)

    trainer.evaluate = watching
    trainer.fit(train, valid)
    for point in trainer.record.within:
        other, *_ = make_run(make_config(folder, **keys))
        other.model.load_state_dict(seen[point.steps])
        assert other.evaluate(valid, load_best_model=False) == point.valid


def test_the_average_is_what_is_validated(folder):
    values = {"epochs": 1, "eval_interval_steps": 2}
    plain, train, valid, _ = make_run(make_config(folder, **values))
    plain.fit(train, valid)
    averaged, train, valid, _ = make_run(make_config(folder, ema_decay=0.9, **values))
    averaged.fit(train, valid)
    assert averaged.record.within[0].valid == plain.record.within[0].valid  # nothing to average yet
    assert averaged.record.within[-1].valid != plain.record.within[-1].valid


class KilledError(Exception):
    """Ends a run."""


@pytest.mark.parametrize("keys", [{}, {"ema_decay": 0.9}, {"state_every": 2}], ids=str)
@pytest.mark.parametrize("at", [0, 3, 17])
def test_a_killed_run_has_the_same_curve(folder, keys, at):
    config = make_config(folder, epochs=4, eval_interval_steps=2, **NOISY, **keys)
    whole, train, valid, _ = make_run(config)
    whole.fit(train, valid)
    killed, train, valid, _ = make_run(config)
    step = killed._step

    def kill(scaler):
        if killed.record.steps == at:
            raise KilledError
        step(scaler)

    killed._step = kill
    with pytest.raises(KilledError):
        killed.fit(train, valid)
    resumed, train, valid, _ = make_run(config)
    resumed.resume_checkpoint(killed.last_file)
    resumed.fit(train, valid)
    assert steps_of(resumed) == steps_of(whole)
    assert [point.valid for point in resumed.record.within] == [point.valid for point in whole.record.within]
    assert_equal(weights(resumed), weights(whole))


def test_a_run_without_a_step_has_its_start(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=0, eval_interval_steps=5))
    trainer.fit(train, valid)
    (point,) = trainer.record.within
    assert (point.steps, point.valid) == (0, trainer.evaluate(valid, load_best_model=False))


def test_without_validation_there_are_no_points(folder):
    trainer, train, *_ = make_run(make_config(folder, eval_interval_steps=1))
    trainer.fit(train, None)
    assert trainer.record.within == []


def test_points_and_epochs_share_one_clock_and_the_log_says_each(folder, caplog):
    trainer, train, valid, _ = make_run(make_config(folder, eval_interval_steps=2))
    with caplog.at_level(logging.INFO):
        trainer.fit(train, valid)
    record = trainer.record
    assert (record.within[0].seconds, record.within[0].cpu_seconds) == (0.0, 0.0)
    assert all(one.seconds <= next_.seconds for one, next_ in pairwise(record.within))
    assert record.within[-1].seconds <= sum(record.seconds)
    assert record.within[-1].cpu_seconds <= sum(record.cpu_seconds)
    assert len(record.cpu_seconds) == record.epochs
    said = [entry.getMessage() for entry in caplog.records if "step" in entry.getMessage()]
    assert sum("evaluating" in line for line in said) == len(record.within)


RARE = {"metrics": ["AveragePopularity"], "valid_metric": "AveragePopularity@10"}  # the smaller, the better


@pytest.mark.parametrize(("keys", "better", "worse"), [({}, 0.3, 0.1), (RARE, 5.0, 9.0)])
def test_training_that_did_not_help_is_told(folder, caplog, keys, better, worse):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1, eval_interval_steps=100, **keys))
    trainer.fit(train, valid)
    start, (best,), metric = trainer.record.start_result, trainer.record.valid.values(), trainer.valid_metric
    for before, after, told in ((worse, better, False), (better, worse, True), (better, better, True)):
        caplog.clear()
        start[metric], best[metric] = before, after
        trainer._compare_with_start()
        assert ("training did not help" in caplog.text) is told


def test_a_pause_takes_no_time(monkeypatch):
    clocks = {"perf_counter": 100.0, "process_time": 7.0}
    for name in clocks:
        monkeypatch.setattr(stopwatch, name, lambda name=name: clocks[name])

    def pass_time(seconds):
        clocks.update(
            perf_counter=clocks["perf_counter"] + seconds, process_time=clocks["process_time"] + 2 * seconds
        )

    watch = stopwatch.Stopwatch(torch.device("cpu"))
    pass_time(1.0)
    with watch.paused() as spent:
        pass_time(8.0)
    assert spent == (1.0, 2.0)
    pass_time(2.0)
    assert watch.read() == (3.0, 6.0)


def test_a_gpu_is_waited_for_once_a_reading(monkeypatch):
    waits = []
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    gpu = torch.device("cuda")
    watch = stopwatch.Stopwatch(gpu)
    watch.read()
    assert waits == [gpu, gpu]


def test_a_curve_of_another_run_is_refused(folder):
    trainer, train, valid, _ = make_run(make_config(folder, eval_interval_steps=2))
    trainer.fit(train, valid)
    state = read_checkpoint(trainer.last_file).training
    assert TrainingState.model_validate(state).record == trainer.record
    state["record"]["within"][0]["steps"] = 10**6
    path = trainer.last_file
    torch.save(torch.load(path, weights_only=True) | {"training": state}, path)
    other, *_ = make_run(make_config(folder))
    with pytest.raises(UserError, match="a curve of another run"):
        other.resume_checkpoint(path)

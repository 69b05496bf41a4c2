"""Learning rates over a run."""

import math

import pytest

from recbole_mmm4rec.training.rate_schedule import RateSchedule
from tests.tiny import assert_equal, make_config, make_run, weights


def test_factors_by_hand():
    cosine = RateSchedule("cosine", 4, 12)
    assert [cosine.factor(step) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    expected = [0.5 + 0.5 * math.cos(math.pi * k / 8) for k in range(8)]
    assert [cosine.factor(step) for step in range(4, 12)] == pytest.approx(expected)
    assert cosine.factor(12) == pytest.approx(0.0)
    assert cosine.factor(13) == pytest.approx(0.0)  # a run that was given more epochs than it said
    constant = RateSchedule("constant", 2, 9)
    assert [constant.factor(step) for step in range(4)] == [0.5, 1.0, 1.0, 1.0]
    assert RateSchedule("cosine", 0, 1).factor(0) == 1.0


def test_without_the_keys_there_is_no_schedule(folder):
    assert RateSchedule.of_run(make_config(folder), 10) is None
    assert RateSchedule.of_run(make_config(folder, rate_schedule="constant", warmup_epochs=0.0), 10) is None


@pytest.mark.parametrize("accumulation", [1, 3])
def test_every_step_has_its_rate(folder, monkeypatch, accumulation):
    keys = {"rate_schedule": "cosine", "warmup_epochs": 0.5, "accumulation_steps": accumulation}
    trainer, train, valid, _ = make_run(make_config(folder, epochs=2, **keys))
    seen, step = [], trainer.optimizer.step

    def watched(*args, **kwargs):
        seen.append(trainer.optimizer.param_groups[0]["lr"])
        return step(*args, **kwargs)

    monkeypatch.setattr(trainer.optimizer, "step", watched)
    trainer.fit(train, valid)
    per_epoch = math.ceil(len(train) / accumulation)
    schedule = RateSchedule("cosine", round(0.5 * per_epoch), 2 * per_epoch)
    assert len(seen) == 2 * per_epoch
    assert seen == pytest.approx([0.01 * schedule.factor(number) for number in range(2 * per_epoch)])
    assert max(seen) == pytest.approx(0.01)


def test_more_epochs_change_a_cosine_and_resume_says_so(folder, caplog):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1, rate_schedule="cosine"))
    trainer.fit(train, valid)
    longer, *_ = make_run(make_config(folder, epochs=2, rate_schedule="cosine"))
    longer.resume_checkpoint(trainer.last_file)
    assert "resume: the interrupted run was set otherwise: epochs 1 -> 2" in caplog.text


def test_a_constant_rate_changes_nothing(folder):
    plain, *loaders = make_run(make_config(folder))
    plain.fit(*loaders[:2])
    named, *loaders = make_run(make_config(folder, rate_schedule="constant", ema_decay=0.0))
    named.fit(*loaders[:2])
    assert_equal(weights(named), weights(plain))

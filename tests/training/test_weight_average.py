"""The average of the weights: its value, where it is used, and that a run with one resumes exactly."""

import pytest
import torch
from torch import nn

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from recbole_mmm4rec.training.transfer import load_pretrained
from recbole_mmm4rec.training.weight_average import WeightAverage
from tests.tiny import assert_equal, make_config, make_run, weights


def test_the_average_by_hand():
    model = nn.Linear(2, 1)
    average, past = WeightAverage(model, 0.5), []
    expected = None
    for step in range(1, 21):
        nn.init.constant_(model.weight, float(step * step))
        average.update()
        past.append(model.weight.item() if model.weight.numel() == 1 else model.weight[0, 0].item())
        kept = min(0.5, step / (step + 9))
        expected = past[-1] if expected is None else kept * expected + (1 - kept) * past[-1]
    with average.applied():
        torch.testing.assert_close(model.weight, torch.full((1, 2), expected))
    torch.testing.assert_close(model.weight, torch.full((1, 2), 400.0))


def test_own_weights_come_back_after_an_error():
    model = nn.Linear(1, 1)
    average = WeightAverage(model, 0.9)
    for value in (1.0, 3.0):
        nn.init.constant_(model.weight, value)
        average.update()
    with pytest.raises(RuntimeError), average.applied():
        assert 1.0 < model.weight.item() < 3.0
        raise RuntimeError
    assert model.weight.item() == 3.0


def test_what_is_not_trained_is_as_it_is_and_starts_afresh_when_it_is():
    model = nn.Linear(1, 1)
    average = WeightAverage(model, 0.9)
    model.weight.requires_grad_(False)
    for value in (1.0, 5.0):
        nn.init.constant_(model.weight, value)
        average.update()
        with average.applied():
            assert model.weight.item() == value
    model.weight.requires_grad_(True)
    nn.init.constant_(model.weight, 9.0)
    average.update()
    with average.applied():
        assert model.weight.item() == 9.0


def test_the_best_model_is_the_average_and_training_never_reads_it(folder):
    plain, *loaders = make_run(make_config(folder, drop=0.2))
    plain.fit(*loaders[:2])
    averaged, *loaders = make_run(make_config(folder, drop=0.2, ema_decay=0.9))
    averaged.fit(*loaders[:2])
    assert_equal(weights(averaged), weights(plain))
    assert averaged.record.losses == plain.record.losses
    assert averaged.record.valid != plain.record.valid
    kept = read_checkpoint(averaged.last_file)
    with averaged.average.applied():
        assert_equal(weights(averaged), kept.state_dict)
        result = averaged.evaluate(loaders[1], load_best_model=False)
    assert result == averaged.record.valid[averaged.record.epochs - 1]
    best = averaged.evaluate(loaders[1], load_best_model=True)
    assert best == averaged.record.best_result


class KilledError(Exception):
    """Ends a run between two epochs."""


def kill(epoch, _score):
    if epoch == 2:
        raise KilledError


@pytest.mark.parametrize(
    "keys",
    [
        {"ema_decay": 0.9},
        {"rate_schedule": "cosine", "warmup_epochs": 1.5},
        {"warmup_epochs": 4},
        {"ema_decay": 0.95, "rate_schedule": "cosine", "accumulation_steps": 2},
    ],
    ids=str,
)
def test_a_killed_run_goes_on_bit_for_bit(folder, keys):
    config = make_config(folder, epochs=6, drop=0.3, noise=0.1, **keys)
    whole, train, valid, test = make_run(config)
    whole.fit(train, valid)
    killed, train, valid, _ = make_run(config)
    with pytest.raises(KilledError):
        killed.fit(train, valid, callback_fn=kill)
    resumed, train, valid, _ = make_run(config)
    resumed.resume_checkpoint(killed.last_file)
    resumed.fit(train, valid)
    assert_equal(weights(resumed), weights(whole))
    assert resumed.record.valid == whole.record.valid
    assert resumed.optimizer.param_groups[0]["lr"] == whole.optimizer.param_groups[0]["lr"]
    assert resumed.evaluate(test) == whole.evaluate(test)


def test_transfer_takes_the_average(folder):
    source, train, *_ = make_run(make_config(folder, ema_decay=0.9))
    source.fit(train)
    with source.average.applied():
        expected = source.model.stack[0].weight.clone()
    assert not torch.equal(expected, source.model.stack[0].weight)
    target, loader, *_ = make_run(make_config(folder))
    load_pretrained(target.model, source.saved_model_file, loader.dataset)
    assert torch.equal(target.model.stack[0].weight, expected)


@pytest.mark.parametrize(("then", "now", "told"), [(0.9, 0.0, "without"), (0.0, 0.9, "with")])
def test_resume_with_and_without_do_not_mix(folder, then, now, told):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1, ema_decay=then))
    trainer.fit(train, valid)
    other, *_ = make_run(make_config(folder, epochs=2, ema_decay=now))
    with pytest.raises(UserError, match=f"cannot be resumed {told} an average of its weights") as caught:
        other.resume_checkpoint(trainer.last_file)
    assert "\n" not in str(caught.value)


def test_without_a_file_the_model_ends_as_what_was_validated(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=2, drop=0.2, ema_decay=0.9))
    _, result = trainer.fit(train, valid, saved=False)
    assert trainer.evaluate(valid, load_best_model=False) == trainer.record.valid[trainer.record.epochs - 1]
    assert result is not None

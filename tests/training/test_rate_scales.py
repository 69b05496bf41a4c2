"""Learning rates of their own for moved weights and for the items' rows."""

import pytest
import torch

from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.training.rate_scales import rate_scales, scaled_groups
from recbole_mmm4rec.training.transfer import load_pretrained
from tests.tiny import TinyModel, assert_equal, make_config, make_run, weights


def pretrained(folder) -> str:
    """A checkpoint of a short run."""
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    return trainer.saved_model_file


def adapted(folder, path, **values):
    """A trainer whose model starts from a checkpoint, and its loaders."""
    config = make_config(folder, epochs=1, **values)

    class Moved(TinyModel):
        def __init__(self, config, dataset):
            super().__init__(config, dataset)
            load_pretrained(self, path, dataset)

    return make_run(config, Moved)


def test_without_the_keys_groups_stay_as_they_are(folder):
    trainer, *_ = make_run(make_config(folder))
    groups = [{"params": [*trainer.model.parameters()], "weight_decay": 0.1}]
    assert rate_scales(trainer.config, trainer.model) == {}
    assert scaled_groups(groups, trainer.model, 0.1, {}) == groups


@pytest.mark.parametrize("keys", [{}, {"moved_rate_scale": 1.0, "item_rate_scale": 1.0}])
def test_ones_change_no_number(folder, keys):
    plain, *loaders = make_run(make_config(folder))
    plain.fit(*loaders[:2])
    other, *loaders = make_run(make_config(folder, **keys))
    other.fit(*loaders[:2])
    assert_equal(weights(other), weights(plain))


def test_each_parameter_has_the_rate_of_its_part(folder):
    path = pretrained(folder)
    trainer, *_ = adapted(folder, path, moved_rate_scale=0.1, item_rate_scale=0.5, learner="sgd")
    rates = {id(p): group["lr"] for group in trainer.optimizer.param_groups for p in group["params"]}
    named = dict(trainer.model.named_parameters())
    assert {name: rates[id(p)] for name, p in named.items()} == pytest.approx(
        {"items.weight": 0.005, "stack.0.weight": 0.001, "stack.0.bias": 0.001}
    )


def test_nothing_moved_nothing_slower(folder):
    trainer, *_ = make_run(make_config(folder, moved_rate_scale=0.1))
    assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.01]


def test_rate_zero_keeps_what_was_moved_as_it_is(folder):
    path = pretrained(folder)
    trainer, train, valid, _ = adapted(folder, path, moved_rate_scale=0.0)
    before = weights(trainer)
    trainer.fit(train, valid)
    after = weights(trainer)
    assert torch.equal(after["stack.0.weight"], before["stack.0.weight"])
    assert not torch.equal(after["items.weight"], before["items.weight"])


def test_a_step_by_hand(folder):
    """SGD: a step is the gradient times the parameter's own rate."""
    path = pretrained(folder)
    trainer, train, *_ = adapted(folder, path, moved_rate_scale=0.25, learner="sgd")
    before = weights(trainer)
    trainer.model.calculate_loss(next(iter(train))).backward()
    gradients = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}
    trainer.optimizer.step()
    for name, parameter in trainer.model.named_parameters():
        rate = 0.01 * (1.0 if name.startswith(hooks_of(trainer.model).item_bound) else 0.25)
        torch.testing.assert_close(parameter.detach(), before[name] - rate * gradients[name])


def test_groups_keep_their_decay_and_their_order(folder):
    trainer, *_ = make_run(make_config(folder))
    model = trainer.model
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    scaled = scaled_groups(groups, model, 1.0, {"items.weight": 0.5})
    assert [(g["lr"], g["weight_decay"], len(g["params"])) for g in scaled] == [
        (1.0, 0.1, 1),
        (0.5, 0.1, 1),
        (1.0, 0.0, 1),
    ]


def test_a_schedule_keeps_the_ratio(folder, monkeypatch):
    path = pretrained(folder)
    trainer, train, valid, _ = adapted(folder, path, moved_rate_scale=0.1, rate_schedule="cosine")
    seen, step = [], trainer.optimizer.step

    def watched(*args, **kwargs):
        seen.append([group["lr"] for group in trainer.optimizer.param_groups])
        return step(*args, **kwargs)

    monkeypatch.setattr(trainer.optimizer, "step", watched)
    trainer.fit(train, valid)
    assert [rates[1] for rates in seen] == pytest.approx([0.1 * rates[0] for rates in seen])
    assert seen[-1][0] < 0.01

"""Learners, accumulation and precision of the trainer."""

import pytest
import torch
from recbole.trainer import Trainer
from torch import optim

from recbole_mmm4rec.errors import UserError
from tests.tiny import TinyModel, assert_equal, make_config, make_run, weights

# ---- learners ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("learner", "kind"),
    [
        ("nadam", optim.NAdam),
        ("NAdam", optim.NAdam),
        ("adam", optim.Adam),
        ("adamw", optim.AdamW),
        ("sgd", optim.SGD),
        ("adagrad", optim.Adagrad),
        ("rmsprop", optim.RMSprop),
    ],
)
def test_learners(folder, learner, kind):
    trainer, *_ = make_run(make_config(folder, learner=learner, weight_decay=0.25))
    assert isinstance(trainer.optimizer, kind)
    assert trainer.optimizer.param_groups[0]["weight_decay"] == 0.25
    assert trainer.optimizer.param_groups[0]["lr"] == 0.01


def test_nadam_decays_weights_through_the_gradient(folder):
    trainer, *_ = make_run(make_config(folder, weight_decay=0.1))
    assert not trainer.optimizer.param_groups[0]["decoupled_weight_decay"]


def test_unknown_learner_is_no_silent_adam(folder):
    with pytest.raises(UserError, match="'lion' is not one of adam, adamw"):
        make_run(make_config(folder, learner="lion"))


def test_the_models_own_parameter_groups(folder):
    class Grouped(TinyModel):
        def parameter_groups(self, weight_decay):
            return [
                {"params": self.items.parameters(), "weight_decay": 0.0},
                {"params": self.stack.parameters(), "weight_decay": weight_decay},
            ]

    trainer, *_ = make_run(make_config(folder, weight_decay=0.25), Grouped)
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [0.0, 0.25]


def test_without_any_of_our_keys_training_is_recboles_bit_for_bit(folder):
    config = make_config(folder, learner="adam", drop=0.3, noise=0.1)
    ours, *loaders = make_run(config)
    result = ours.fit(*loaders[:2], saved=False)
    again, *loaders = make_run(config)
    theirs = Trainer(config, again.model)
    assert theirs.fit(*loaders[:2], saved=False) == result
    assert_equal(weights(ours), theirs.model.state_dict())
    assert ours.train_loss_dict == theirs.train_loss_dict


# ---- accumulation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"accumulation_steps": 4}, True),
        ({}, False),
        ({"accumulation_steps": 2, "train_batch_size": 1}, False),
    ],
)
def test_few_steps_an_epoch_by_accumulation_are_told(folder, caplog, keys, told):
    trainer, train, *_ = make_run(make_config(folder, epochs=1, **keys))
    trainer.fit(train)
    assert (f"accumulation_steps: 4 leaves {-(-len(train) // 4)} optimiser steps" in caplog.text) is told
    assert ("leaves" in caplog.text) is told


def test_accumulated_gradients_are_summed_and_an_incomplete_group_steps(folder):
    """The obvious twin: batches by hand, groups of four and a rest."""
    config = make_config(folder, accumulation_steps=4, learner="sgd", epochs=1, shuffle=False)
    trainer, train, *_ = make_run(config)
    twin, twin_train, *_ = make_run(config)
    batches = list(twin_train)
    assert len(batches) % 4 != 0
    for start in range(0, len(batches), 4):
        twin.optimizer.zero_grad()
        sum(twin.model.calculate_loss(batch) for batch in batches[start : start + 4]).backward()
        twin.optimizer.step()
    trainer.fit(train, saved=False)
    for name, value in weights(trainer).items():
        torch.testing.assert_close(value, twin.model.state_dict()[name], rtol=1e-5, atol=1e-7)
    assert trainer.record.steps == -(-len(batches) // 4)


def test_clipping_sees_the_whole_group(folder, monkeypatch):
    config = make_config(
        folder, accumulation_steps=4, learner="sgd", epochs=1, clip_grad_norm={"max_norm": 1e-3}
    )
    trainer, train, *_ = make_run(config)
    norms = []
    step = trainer.optimizer.step

    def spy(*args, **kwargs):
        groups = trainer.optimizer.param_groups
        gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        norms.append(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])).item())
        return step(*args, **kwargs)

    monkeypatch.setattr(trainer.optimizer, "step", spy)
    trainer.fit(train, saved=False)
    assert len(norms) == trainer.record.steps
    assert max(norms) == pytest.approx(1e-3, rel=1e-3)


def test_losses_of_several_parts_add_up(folder):
    class Two(TinyModel):
        def calculate_loss(self, interaction):
            loss = super().calculate_loss(interaction)
            return 0.25 * loss, 0.75 * loss

    one, *loaders = make_run(make_config(folder, learner="sgd"))
    one.fit(loaders[0], saved=False)
    two, *loaders = make_run(make_config(folder, learner="sgd"), Two)
    two.fit(loaders[0], saved=False)
    assert list(two.train_loss_dict.values()) == pytest.approx(list(one.train_loss_dict.values()))
    for name, value in weights(one).items():
        torch.testing.assert_close(two.model.state_dict()[name], value)


# ---- precision, NaN ---------------------------------------------------------------------------------------


def test_bf16_products(folder):
    seen = []

    class Spy(TinyModel):
        def calculate_loss(self, interaction):
            seen.append(self.full_sort_predict(interaction).dtype)
            return super().calculate_loss(interaction)

    trainer, train, valid, _ = make_run(make_config(folder, precision="bf16", epochs=1), Spy)
    trainer.fit(train, valid)
    assert set(seen) == {torch.bfloat16}
    assert all(parameter.dtype == torch.float32 for parameter in trainer.model.parameters())


def test_unknown_precision(folder):
    with pytest.raises(UserError, match="'float8' is not one of float32, bf16"):
        make_run(make_config(folder, precision="float8"))


@pytest.mark.parametrize("batch", [0, 3, 11, 12])
def test_a_loss_that_is_no_number_names_epoch_and_batch(folder, monkeypatch, batch):
    trainer, train, *_ = make_run(make_config(folder))
    monkeypatch.setattr(TinyModel, "spoil_at", batch)
    epoch, place = divmod(batch, len(train))
    with pytest.raises(UserError, match=f"loss is nan in epoch {epoch}, batch {place}$"):
        trainer.fit(train, saved=False)

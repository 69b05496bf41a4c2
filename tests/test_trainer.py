import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from recbole.trainer import Trainer
from torch import nn, optim

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.trainer import MultiModalTrainer
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from tests.tiny import TinyModel, make_config, make_run, write_dataset

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TinyModel, "kill_at", None)
    write_dataset(tmp_path)
    return tmp_path


def weights(trainer):
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def assert_equal(one, other):
    """Bit for bit, through nested dicts and lists."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        assert one == other


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
    assert type(trainer.optimizer) is kind
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
    assert trainer.optimizer_steps == -(-len(batches) // 4)


def test_clipping_sees_the_whole_group(folder, monkeypatch):
    norms = []
    step = optim.SGD.step

    def spy(self, *args, **kwargs):
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])).item())
        return step(self, *args, **kwargs)

    monkeypatch.setattr(optim.SGD, "step", spy)
    config = make_config(
        folder, accumulation_steps=4, learner="sgd", epochs=1, clip_grad_norm={"max_norm": 1e-3}
    )
    trainer, train, *_ = make_run(config)
    trainer.fit(train, saved=False)
    assert len(norms) == trainer.optimizer_steps
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


# ---- stopping, record, files ------------------------------------------------------------------------------


def scripted(trainer, monkeypatch, scores):
    """Let the validation of epoch e return ``scores[e]``."""
    real = MultiModalTrainer.evaluate

    def evaluate(self, *args, **kwargs):
        return real(self, *args, **kwargs) | {"ndcg@10": scores[self.record.epochs - 1]}

    monkeypatch.setattr(MultiModalTrainer, "evaluate", evaluate)


def test_patience_counts_epochs_without_improvement(folder, monkeypatch):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=20, patience=3))
    scripted(trainer, monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.2, 0.1, 0.2, 0.9])
    best, result = trainer.fit(train, valid)
    assert best == 0.3
    assert result["ndcg@10"] == 0.3
    record = trainer.record
    assert (record.epochs, record.best_epoch) == (7, 3)  # an equal score is an improvement, as in RecBole
    assert record.steps == 7 * len(train)
    assert record.steps_to_best == 4 * len(train)
    assert list(record.valid) == list(range(7))
    assert len(record.seconds) == len(record.losses) == 7


def test_recboles_own_stopping_step_holds_without_patience(folder, monkeypatch):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=20, stopping_step=3))
    scripted(trainer, monkeypatch, [0.3] + [0.1] * 19)
    trainer.fit(train, valid)
    assert trainer.record.epochs == 5


def test_evaluation_loads_the_best_epoch(folder, monkeypatch):
    trainer, train, valid, test = make_run(make_config(folder, epochs=4))
    at_epoch = {}
    scripted(trainer, monkeypatch, [0.1, 0.9, 0.2, 0.3])
    trainer.fit(train, valid, callback_fn=lambda epoch, _: at_epoch.update({epoch: weights(trainer)}))
    trainer.evaluate(test)
    assert_equal(weights(trainer), at_epoch[1])


def test_validation_every_other_epoch(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=5, eval_step=2))
    trainer.fit(train, valid)
    assert list(trainer.record.valid) == [1, 3]
    assert trainer.record.epochs == 5
    assert trainer.record.best_epoch in (1, 3)


def test_without_validation_the_end_and_every_so_many_epochs_are_saved(folder):
    trainer, train, *_ = make_run(make_config(folder, epochs=5, save_every=2))
    trainer.fit(train)
    end = Path(trainer.saved_model_file)
    names = {file.name for file in end.parent.iterdir()}
    assert names == {end.name} | {f"{end.stem}.{part}.pth" for part in ("epoch2", "epoch4", "last")}
    assert_equal(read_checkpoint(end).state_dict, trainer.model.state_dict())
    assert read_checkpoint(end.with_name(f"{end.stem}.epoch2.pth")).training["next_epoch"] == 2


def test_saved_false_writes_nothing(folder):
    trainer, train, valid, _ = make_run(make_config(folder))
    trainer.fit(train, valid, saved=False)
    assert list((folder / "saved").iterdir()) == []


def test_no_temporary_files_stay(folder):
    trainer, train, valid, _ = make_run(make_config(folder))
    trainer.fit(train, valid)
    assert sorted(file.suffixes[-1] for file in (folder / "saved").iterdir()) == [".pth", ".pth"]


def test_the_model_hears_of_every_epoch(folder):
    heard = []

    class Listener(TinyModel):
        def before_epoch(self, epoch):
            heard.append((epoch, self.training))

    trainer, train, *_ = make_run(make_config(folder), Listener)
    trainer.fit(train, saved=False)
    assert heard == [(0, True), (1, True), (2, True)]


def test_built_in_models_train_too(folder):
    from recbole.model.sequential_recommender import GRU4Rec

    values = {"embedding_size": 8, "hidden_size": 8, "num_layers": 1, "dropout_prob": 0.1}
    trainer, train, valid, test = make_run(make_config(folder, GRU4Rec, **values))
    trainer.fit(train, valid)
    assert trainer.evaluate(test) == Trainer.evaluate(trainer, test, load_best_model=False)


# ---- resume -----------------------------------------------------------------------------------------------


def run_process(folder, out, kill_at="", resume=""):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.tiny", str(folder), str(out), str(kill_at), str(resume)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_dataset(folder)
    done = run_process(folder, folder / "end.pt")
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(folder / "end.pt", weights_only=False)


@pytest.mark.parametrize("kill_at", [2, 29])
def test_a_killed_run_goes_on_bit_for_bit(folder, uninterrupted, kill_at):
    killed = run_process(folder, folder / "never.pt", kill_at)
    assert killed.returncode == -9
    assert not (folder / "never.pt").exists()
    (last,) = (folder / "saved").glob("*.last.pth")
    done = run_process(folder, folder / "end.pt", resume=last)
    assert done.returncode == 0, done.stderr[-2000:]
    end = torch.load(folder / "end.pt", weights_only=False)
    end["record"]["seconds"] = uninterrupted["record"]["seconds"]
    assert_equal(end, uninterrupted)


def test_two_kills_and_resume_by_the_best_models_name(folder, uninterrupted):
    run_process(folder, folder / "never.pt", 12)
    (last,) = (folder / "saved").glob("*.last.pth")
    run_process(folder, folder / "never.pt", 14, last)
    best = last.with_name(last.name.replace(".last", ""))
    assert best.exists()
    assert run_process(folder, folder / "end.pt", resume=best).returncode == 0
    assert_equal(torch.load(folder / "end.pt", weights_only=False), uninterrupted)


def test_a_finished_run_says_so_and_trains_no_more(folder, caplog):
    config = make_config(folder)
    trainer, train, valid, _ = make_run(config)
    end = trainer.fit(train, valid)
    again, train, valid, test = make_run(config)
    again.resume_checkpoint(trainer.last_file)
    before = Path(trainer.saved_model_file).stat().st_mtime_ns
    with caplog.at_level("INFO"):
        assert again.fit(train, valid) == end
    assert any("already finished" in record.getMessage() for record in caplog.records)
    assert Path(trainer.saved_model_file).stat().st_mtime_ns == before
    assert again.evaluate(test) == trainer.evaluate(test)


def test_a_finished_run_can_be_given_more_epochs(folder):
    long, train, valid, _ = make_run(make_config(folder, epochs=5, drop=0.2))
    long.fit(train, valid)
    short, train, valid, _ = make_run(make_config(folder, epochs=2, drop=0.2))
    short.fit(train, valid)
    more, train, valid, _ = make_run(make_config(folder, epochs=5, drop=0.2))
    more.resume_checkpoint(short.last_file)
    more.fit(train, valid)
    assert_equal(weights(more), weights(long))
    assert more.record.valid == long.record.valid


def test_a_run_stopped_early_stays_stopped(folder, monkeypatch):
    config = make_config(folder, epochs=20, patience=1)
    trainer, train, valid, _ = make_run(config)
    scripted(trainer, monkeypatch, [0.3] + [0.1] * 19)
    trainer.fit(train, valid)
    again, train, valid, _ = make_run(config)
    again.resume_checkpoint(trainer.last_file)
    again.fit(train, valid)
    assert again.record == trainer.record


def test_changed_keys_are_named(folder, caplog):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    other, *_ = make_run(make_config(folder, epochs=2, drop=0.5))
    other.resume_checkpoint(trainer.last_file)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == "resume: the interrupted run was set otherwise: drop None -> 0.5"


def test_resume_refuses_what_does_not_fit(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)

    class OtherModel(TinyModel):
        pass

    other, *_ = make_run(make_config(folder, OtherModel))
    with pytest.raises(UserError, match="a run of TinyModel, not of OtherModel"):
        other.resume_checkpoint(trainer.last_file)
    wide, *_ = make_run(make_config(folder, width=16))
    with pytest.raises(UserError, match=r"does not fit this model: size mismatch for items.weight") as caught:
        wide.resume_checkpoint(trainer.last_file)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such checkpoint file"):
        wide.resume_checkpoint(folder / "nowhere.pth")


def test_resume_refuses_other_items(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    path = folder / "tiny" / "tiny.inter"
    path.write_text(path.read_text().replace("i007", "new"))
    other, train, valid, _ = make_run(make_config(folder, epochs=2))
    other.resume_checkpoint(trainer.last_file)
    with pytest.raises(UserError, match="a run on other items"):
        other.fit(train, valid)


def test_resume_refuses_weights_alone_and_a_lost_best_model(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    os.unlink(trainer.saved_model_file)
    with pytest.raises(UserError, match=r"best model .* is gone"):
        make_run(make_config(folder))[0].resume_checkpoint(trainer.last_file)
    torch.save({"model": trainer.model.state_dict()}, folder / "released.pth")
    with pytest.raises(UserError, match=r"no training state; give it as 'pretrained'"):
        make_run(make_config(folder))[0].resume_checkpoint(folder / "released.pth")


def test_random_states_cover_every_generator():
    import random

    from recbole_mmm4rec.training.random_state import capture_random_state, restore_random_state

    def draw():
        return (
            torch.rand(3).tolist(),
            nn.functional.dropout(torch.ones(9)).tolist(),
            np.random.rand(3).tolist(),
            np.random.standard_normal(1).tolist(),
            random.random(),
            random.gauss(0, 1),
            torch.rand(3, generator=generator).tolist(),
        )

    generator = torch.Generator()
    draw()
    state = capture_random_state(generator)
    first = draw()
    draw()
    restore_random_state(state, generator)
    assert draw() == first

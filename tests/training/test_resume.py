"""A killed run goes on bit for bit; what does not fit is refused."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from tests.forked import in_a_process
from tests.tiny import (
    TinyModel,
    assert_equal,
    make_config,
    make_run,
    scripted,
    train_to_the_end,
    weights,
    write_dataset,
)


def run_process(folder, out, kill_at=None, resume=None):
    return in_a_process(train_to_the_end, folder, out, kill_at, resume)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_dataset(folder)
    assert run_process(folder, folder / "end.pt") == 0
    return torch.load(folder / "end.pt", weights_only=False)


@pytest.mark.parametrize("kill_at", [2, 29])
def test_a_killed_run_goes_on_bit_for_bit(folder, uninterrupted, kill_at):
    assert run_process(folder, folder / "never.pt", kill_at) == -signal.SIGKILL
    assert not (folder / "never.pt").exists()
    (last,) = (folder / "saved").glob("*.last.pth")
    assert run_process(folder, folder / "end.pt", resume=last) == 0
    end = torch.load(folder / "end.pt", weights_only=False)
    end["record"]["seconds"] = uninterrupted["record"]["seconds"]
    assert_equal(end, uninterrupted)


def test_two_kills_and_resume_by_the_best_models_name(folder, uninterrupted):
    assert run_process(folder, folder / "never.pt", 12) == -signal.SIGKILL
    (last,) = (folder / "saved").glob("*.last.pth")
    assert run_process(folder, folder / "never.pt", 14, last) == -signal.SIGKILL
    best = last.with_name(last.name.replace(".last", ""))
    assert best.exists()
    assert run_process(folder, folder / "end.pt", resume=best) == 0
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
    with pytest.raises(UserError, match=r"do not fit TinyModel: size mismatch for items.weight") as caught:
        wide.resume_checkpoint(trainer.last_file)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such checkpoint file"):
        wide.resume_checkpoint(folder / "nowhere.pth")


def test_resume_refuses_the_state_of_another_optimiser(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    other, *_ = make_run(make_config(folder, learner="sgd"))
    with pytest.raises(UserError, match=r"its learner was .*, not sgd"):
        other.resume_checkpoint(trainer.last_file)
    other, *_ = make_run(make_config(folder))
    other.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    with pytest.raises(UserError, match="other parameters: loaded state dict has a different number"):
        other.resume_checkpoint(trainer.last_file)


def test_a_run_that_ends_with_fewer_epochs_has_a_model_file(folder):
    trainer, train, *_ = make_run(make_config(folder, epochs=2))
    trainer.fit(train, None)
    os.unlink(trainer.saved_model_file)
    shorter, train, *_ = make_run(make_config(folder, epochs=1))
    shorter.resume_checkpoint(trainer.last_file)
    shorter.fit(train, None)
    assert_equal(torch.load(shorter.saved_model_file, weights_only=True)["state_dict"], weights(trainer))


def test_resume_refuses_other_items(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    path = folder / "tiny" / "tiny.inter"
    path.write_text(path.read_text().replace("i007", "new"))
    other, train, valid, _ = make_run(make_config(folder, epochs=2))
    other.resume_checkpoint(trainer.last_file)
    with pytest.raises(UserError, match='no longer has "i007" and has in addition "new"'):
        other.fit(train, valid)


def test_resume_refuses_weights_alone_and_a_lost_best_model(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    os.unlink(trainer.saved_model_file)
    with pytest.raises(UserError, match=r"best model .*\.pth is not in the same folder"):
        make_run(make_config(folder))[0].resume_checkpoint(trainer.last_file)
    torch.save({"model": trainer.model.state_dict()}, folder / "released.pth")
    with pytest.raises(UserError, match=r"no training state; give it as 'pretrained'"):
        make_run(make_config(folder))[0].resume_checkpoint(folder / "released.pth")


def test_a_renamed_copy_of_the_best_model_goes_on_by_itself(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1))
    trainer.fit(train, valid)
    (folder / "elsewhere").mkdir()
    copy = shutil.copy(trainer.saved_model_file, folder / "elsewhere" / "copy.pth")
    resumed, train, valid, _ = make_run(make_config(folder, epochs=2))
    resumed.resume_checkpoint(copy)
    resumed.fit(train, valid)
    assert resumed.saved_model_file == str(copy)
    assert os.path.exists(folder / "elsewhere" / "copy.last.pth")


def test_a_rate_and_a_decay_given_anew_are_used(folder):
    trainer, train, valid, _ = make_run(make_config(folder, epochs=1, learning_rate=1e-3))
    trainer.fit(train, valid)
    other, *_ = make_run(make_config(folder, epochs=2, learning_rate=0.5, weight_decay=0.3))
    other.resume_checkpoint(trainer.last_file)
    for group in other.optimizer.param_groups:
        assert (group["lr"], group["weight_decay"]) == (0.5, 0.3)
    assert other.optimizer.state

"""When training ends, what it writes down and which files stay."""

from pathlib import Path

from recbole.trainer import Trainer

from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.training.checkpoint import read_checkpoint
from tests.tiny import TinyModel, assert_equal, make_config, make_run, scripted, weights


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
    values = {"embedding_size": 8, "hidden_size": 8, "num_layers": 1, "dropout_prob": 0.1}
    trainer, train, valid, test = make_run(make_config(folder, find_model("GRU4Rec"), **values))
    trainer.fit(train, valid)
    assert trainer.evaluate(test) == Trainer.evaluate(trainer, test, load_best_model=False)


def test_pre_training_whose_scores_mean_nothing_is_not_validated(folder, monkeypatch):
    monkeypatch.setattr(TinyModel, "ranks_in_pretraining", False, raising=False)
    trainer, train, valid, _ = make_run(make_config(folder, stage="pretrain", epochs=4, patience=1))
    assert trainer.fit(train, valid)[1] is None
    assert trainer.record.epochs == 4
    trainer, train, valid, _ = make_run(make_config(folder, stage="finetune", epochs=1))
    assert trainer.fit(train, valid)[1] is not None

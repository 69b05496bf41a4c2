"""``weight_decay: auto``: by the number of training targets, after a resume too."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.training import weight_decay
from recbole_mmm4rec.training.weight_decay import OF_FEW, OF_MANY, decay_at_first
from tests.tiny import TinyModel, make_config, make_run


class Grouped(TinyModel):
    """Its vectors are not decayed."""

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        groups: dict[bool, list[Any]] = {True: [], False: []}
        for parameter in self.parameters():
            groups[parameter.ndim > 1].append(parameter)
        return [
            {"params": groups[True], "weight_decay": decay},
            {"params": groups[False], "weight_decay": 0.0},
        ]


def fitted(folder: Path, value: float | str, resume: str | None = None, epochs: int = 1) -> Any:
    trainer, train, valid, _ = make_run(make_config(folder, epochs=epochs, weight_decay=value), Grouped)
    if resume:
        trainer.resume_checkpoint(resume)
    trainer.fit(train, valid)
    return trainer


def decays(trainer: Any) -> list[float]:
    return [group["weight_decay"] for group in trainer.optimizer.param_groups]


@pytest.mark.parametrize(("more", "expected"), [(0, OF_FEW), (-1, OF_MANY)])
def test_many_targets_are_decayed_less(
    more: int,
    expected: float,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, train, *_ = make_run(make_config(folder), Grouped)
    targets = len(train.dataset)
    monkeypatch.setattr(weight_decay, "FEW_TARGETS", targets + more)
    caplog.set_level("INFO")
    trainer = fitted(folder, "auto")
    assert decays(trainer) == [expected, 0.0]
    assert f"weight_decay: {expected:g} for {targets} training targets" in caplog.text
    resumed = fitted(folder, "auto", trainer.last_file, epochs=2)
    assert decays(resumed) == [expected, 0.0]


def test_a_number_is_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_decay, "FEW_TARGETS", 1)
    assert decays(fitted(folder, 0.3)) == [0.3, 0.0]
    assert decays(fitted(folder, 0.0)) == [0.0, 0.0]


def test_before_data_are_known_it_is_that_of_few() -> None:
    assert [decay_at_first(value) for value in ("auto", 0.3, None)] == [OF_FEW, 0.3, 0.0]

"""Whatever a checkpoint holds is checked at one place, and what it still breaks is a line about the file."""

import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from recbole_mmm4rec.errors import ResumeError, UserError
from recbole_mmm4rec.guard import guarded
from recbole_mmm4rec.recommend import loading
from recbole_mmm4rec.training.checkpoint import OURS, Checkpoint, read_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import load_weights, using
from recbole_mmm4rec.training.training_state import TrainingState, load_optimizer
from tests.recommend.trained import trained


def raised(error: Exception, path: str | None = "m.pth", kind: type[UserError] = UserError) -> Exception:
    with pytest.raises(type(error) if path is None else Exception) as caught, using(path, "weights", kind):
        raise error
    return caught.value


def test_any_error_becomes_a_line_about_file_and_part() -> None:
    cause = ZeroDivisionError("by\n zero")
    error = raised(cause, kind=ResumeError)
    assert type(error) is ResumeError
    assert str(error).startswith("m.pth: its weights cannot be used: the file is damaged")
    assert "(ZeroDivisionError: by zero)" in str(error)
    assert error.__cause__ is cause


@pytest.mark.parametrize("error", [UserError("x: y"), FileNotFoundError("x"), ModuleNotFoundError("x")])
def test_errors_that_are_lines_already_pass(error: Exception) -> None:
    assert raised(error) is error


def test_without_a_file_errors_pass() -> None:
    error = KeyError("x")
    assert raised(error, None) is error


def test_a_fault_of_the_program_is_seen_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained("MMM4Rec")[0]

    def faulty(*_: Any) -> None:
        raise LookupError("a fault of the program")

    monkeypatch.setattr(loading, "_catalogue", faulty)

    def call() -> None:
        loading.load(path, "cpu")

    assert guarded(call) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(UserError) as caught:
        guarded(call, debug=True)
    assert "in faulty" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}, None),
        ({"weight": torch.zeros(2, 3).half(), "bias": torch.zeros(2).double()}, None),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2, dtype=torch.int64)}, "bias is torch.int64 in"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2, dtype=torch.complex64)}, "bias is torch.comp"),
        ({"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, "size mismatch for weight"),
        ({"weight": torch.zeros(2, 3)}, r"bias is missing \(1 in all\)"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)}, "more is not of"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), 5: torch.zeros(1)}, "its weights cannot be"),
    ],
)
def test_weights(state: dict[Any, torch.Tensor], said: str | None) -> None:
    model = nn.Linear(3, 2)
    if said is None:
        assert load_weights("m.pth", model, state) == []
        assert not model.weight.any()
    else:
        with pytest.raises(UserError, match=rf"m\.pth: .*{said}"):
            load_weights("m.pth", model, state)
    assert load_weights("m.pth", model, {"weight": torch.ones(2, 3)}, optional=["bias"]) == ["bias"]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("state_dict", {"a": torch.eye(2).to_sparse()}, "state_dict: a: expected a dense tensor"),
        ("state_dict", {"a": [1.0]}, "state_dict: a: expected a Tensor"),
        ("signature", {"features": {"text": 5}}, "signature: features: text: expected keys and values"),
        ("items", {"features": {"text": {"vectors": torch.zeros(1, 1)}}}, "'present' is missing"),
        ("item_tokens", ["a", 5], "item_tokens: entry 2: expected a text"),
        ("training", [], "training: expected keys and values"),
    ],
)
def test_no_checkpoint_is_in_memory_that_was_not_checked(part: str, value: Any, said: str) -> None:
    whole: dict[str, Any] = {"state_dict": {"a": torch.zeros(1)}}
    Checkpoint("m.pth", OURS, **whole)
    with pytest.raises(UserError, match=f"m.pth: damaged checkpoint: .*{said}"):
        Checkpoint("m.pth", OURS, **(whole | {part: value}))


def test_a_bit_that_changed_is_found(tmp_path: Path) -> None:
    """torch reads past the check sums of its archives."""
    raw = torch.load(trained("MMM4Rec")[0], weights_only=True)
    path = tmp_path / "m.pth"
    marked = torch.full((100,), 1.2345)
    torch.save(raw | {"state_dict": raw["state_dict"] | {"x": marked}}, path)
    data = bytearray(path.read_bytes())
    data[data.index(marked.numpy().tobytes()) + 200] ^= 1
    path.write_bytes(data)
    assert not torch.equal(torch.load(path, weights_only=True)["state_dict"]["x"], marked)
    with pytest.raises(UserError, match=r"m\.pth: damaged checkpoint, .*data/\d+ is not what was written"):
        read_checkpoint(path)


RECORD = {"epochs": 1, "steps": 3, "best_epoch": 0, "steps_to_best": 3, "seconds": [0.1], "losses": [1.0]}
STATE = {"next_epoch": 1, "cur_step": 0, "best_valid_score": 0.5, "best_file": "m.pth", "random": [{}]}


@pytest.mark.parametrize(
    ("state", "record", "fits"),
    [
        ({}, {}, True),
        ({"next_epoch": 0}, {}, False),
        ({}, {"losses": []}, False),
        ({}, {"best_epoch": 1}, False),
        ({}, {"steps": -1}, False),
    ],
)
def test_counters_of_one_run_agree(state: dict[str, Any], record: dict[str, Any], fits: bool) -> None:
    whole = STATE | state | {"record": RECORD | record | {"valid": {0: {"recall@5": 0.5}}}}
    if fits:
        assert TrainingState.model_validate(whole).record.epochs == 1
    else:
        with pytest.raises(ValueError, match="record: "):
            TrainingState.model_validate(whole)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("param_groups", 0, "betas"), (0.9, "x"), "betas: "),
        (("param_groups", 0, "betas"), (0.9,), "betas: "),
        (("param_groups", 0, "lr"), float("nan"), "lr: nan"),
        (("param_groups", 0, "lr"), True, "lr: True"),
        (("param_groups", 0, "amsgrad"), 1, "amsgrad: 1"),
        (("state", 0, "step"), torch.tensor(-1.0), "step of shape"),
        (("state", 0, "step"), torch.tensor(float("nan")), "step of shape"),
        (("state", 0, "step"), torch.tensor(1j), "step of shape"),
        (("state", 0, "exp_avg"), torch.eye(3, 2).to_sparse(), "exp_avg of shape"),
        (("state", 0, "exp_avg"), "x", "exp_avg: "),
        (("state", 0), 5, "cannot be used"),
        (("param_groups",), 5, "cannot be used"),
    ],
)
def test_the_state_of_an_optimiser(place: tuple[Any, ...], value: Any, said: str) -> None:
    weight = nn.Parameter(torch.zeros(3, 2))
    optimizer = torch.optim.Adam([weight])
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    state = optimizer.state_dict()
    load_optimizer("m.pth", torch.optim.Adam([weight]), state)
    inner: Any = state
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(UserError, match=rf"m\.pth: .*{said}"):
        load_optimizer("m.pth", torch.optim.Adam([weight]), state)

import pickle

import numpy as np
import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import TrainingHooks
from recbole_mmm4rec.training.checkpoint import (
    FORMAT,
    OURS,
    RELEASED,
    describe,
    read_checkpoint,
    write_checkpoint,
)


class _Model(TrainingHooks):
    def transfer_signature(self):
        return {"history_length": 20, "features": {"text": {"dimension": 3, "encoder": "e"}}}


@pytest.fixture
def content():
    weights = {"layer.weight": torch.arange(6.0).view(2, 3)}
    described = describe(
        {"model": "M", "dtype": torch.float32, "device": torch.device("cpu")}, _Model(), ["[PAD]", "a", "ü"]
    )
    return described | {"state_dict": weights, "optimizer": {"state": {}}, "training": {"next_epoch": 2}}


def test_round_trip(tmp_path, content):
    write_checkpoint(tmp_path / "new" / "a.pth", content)
    read = read_checkpoint(tmp_path / "new" / "a.pth")
    assert read.kind == OURS
    assert read.config == {"model": "M", "dtype": "torch.float32"}
    assert read.signature == _Model().transfer_signature()
    assert read.item_tokens == ["[PAD]", "a", "ü"]
    assert torch.equal(read.state_dict["layer.weight"], content["state_dict"]["layer.weight"])
    assert read.training == {"next_epoch": 2}


def test_is_plain(tmp_path, content):
    write_checkpoint(tmp_path / "a.pth", content)
    assert torch.load(tmp_path / "a.pth", weights_only=True)["format"] == FORMAT


def test_a_write_that_was_killed_leaves_nothing_after_the_next(tmp_path, content):
    (tmp_path / ".a.pth.tmp").write_bytes(b"half")
    write_checkpoint(tmp_path / "a.pth", content)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


def test_files_get_the_usual_rights(tmp_path, content):
    (tmp_path / "plain").touch()
    write_checkpoint(tmp_path / "a.pth", content)
    assert (tmp_path / "a.pth").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, content):
    path = tmp_path / "a.pth"
    write_checkpoint(path, content)
    before = path.read_bytes()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        write_checkpoint(path, content | {"training": lambda: None})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.pth"]


def test_released_code(tmp_path):
    state = {"text_adapter.0.weight": torch.ones(2, 2)}
    torch.save({"model": state, "epoch": 3, "best_val_score": np.float64(0.5)}, tmp_path / "r.pth")
    read = read_checkpoint(tmp_path / "r.pth")
    assert read.kind == RELEASED
    assert read.state_dict.keys() == state.keys()


class _Opaque:
    pass


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path, _: None, "no such checkpoint file"),
        (lambda path, _: path.mkdir(), "no such checkpoint file"),
        (lambda path, _: path.write_bytes(b""), "not a checkpoint"),
        (lambda path, _: path.write_text("user_id:token\titem_id:token\n"), "not a checkpoint"),
        (lambda path, _: path.write_bytes(b"PK\x03\x04 not really a zip"), "not a checkpoint"),
        (lambda path, _: path.write_bytes(pickle.dumps({"a": 1})), "not a checkpoint"),
        (lambda path, _: torch.save({"config": _Opaque()}, path), "not a checkpoint of plain tensors"),
        (lambda path, _: torch.save([1, 2], path), "other content"),
        (lambda path, _: torch.save({"model": {}}, path), "other content"),
        (lambda path, _: torch.save({"format": "recbole_mmm4rec/9"}, path), "recbole_mmm4rec/9"),
        (lambda path, _: torch.save({"format": FORMAT}, path), "damaged"),
        (lambda path, content: torch.save(content | {"config": "{"}, path), "damaged"),
    ],
)
def test_what_is_no_checkpoint_gets_one_line(tmp_path, content, make, said):
    path = tmp_path / "x.pth"
    make(path, content)
    with pytest.raises(UserError, match=said) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, content, share):
    path = tmp_path / "x.pth"
    write_checkpoint(path, content | {"state_dict": {"w": torch.rand(5000)}})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="not a checkpoint"):
        read_checkpoint(path)


def test_recboles_own_pickle_is_named_and_not_run(tmp_path):
    from recbole.config import Config

    torch.save({"config": object.__new__(Config), "state_dict": {}}, tmp_path / "SASRec.pth")
    with pytest.raises(UserError, match="RecBole's own trainer"):
        read_checkpoint(tmp_path / "SASRec.pth")

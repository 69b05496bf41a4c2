"""What is loaded again, and what is refused."""

import pickle
from pathlib import Path

import pytest
import torch

from recbole_mmm4rec import load_data_and_model
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.training_run import build_trainer
from tests.quick_start.test_whole_run import QUIET


def test_what_is_no_checkpoint_is_refused(in_tmp: Path) -> None:
    (in_tmp / "text.pth").write_text("hello")
    torch.save([1, 2], in_tmp / "list.pth")
    torch.save({"state_dict": {}}, in_tmp / "half.pth")
    for name in ("none.pth", "text.pth", "list.pth", "half.pth"):
        with pytest.raises(UserError, match=name):
            load_data_and_model(name)


@pytest.mark.usefixtures("tiny")
def test_a_pickle_of_recbole_loads_only_when_it_is_allowed() -> None:
    result = run("BPR", "tiny", config_dict=QUIET)
    state = torch.load(result["checkpoint"], weights_only=True)
    config = RunConfig("BPR", "tiny", config_dict=QUIET)
    torch.save({**state, "config": config}, "old.pth")
    with pytest.raises(UserError, match=r"old.pth is a pickle.*allow_pickle=True"):
        load_data_and_model("old.pth")
    config, *_ = load_data_and_model("old.pth", allow_pickle=True)
    assert config["model"] == "BPR"


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("kind", ["dataset", "dataloaders"])
def test_what_lies_in_the_checkpoint_folder_is_not_unpickled(kind: str, in_tmp: Path) -> None:
    saved = in_tmp / "saved"
    saved.mkdir()
    names = {"dataset": ["tiny-MultiModalDataset.pth"], "dataloaders": ["tiny-for-SASRec-dataloader.pth"]}
    for name in names[kind]:
        (saved / name).write_bytes(pickle.dumps(Bomb()))
    assert run("SASRec", "tiny", config_dict={**QUIET, "epochs": 1})["test_result"]
    for key in ("dataset_save_path", "dataloaders_save_path"):
        with pytest.raises(UserError, match=f"{key}.*is a pickle.*--allow_pickle=True"):
            run("SASRec", "tiny", config_dict={**QUIET, key: str(saved / names[kind][0])})
    assert not Path("exploded").exists()


@pytest.mark.usefixtures("tiny")
def test_a_fine_tuned_permutation_of_codes_loads_again() -> None:
    """The checkpoint does not say that the run began with pre-trained weights."""
    sizes = {"hidden_size": 16, "inner_size": 16, "code_dim": 4, "code_cap": 8}
    before = run("VQRec", "tiny", config_dict={**QUIET, **sizes, "epochs": 1, "stage": "pretrain"})
    own = {"code_index": "own", "permutation_epochs": 1, "pretrained": before["checkpoint"]}
    after = run("VQRec", "tiny", config_dict={**QUIET, **sizes, **own, "learning_rate": 0.01})

    config, model, _, _, _, test_data = load_data_and_model(after["checkpoint"])
    state = torch.load(after["checkpoint"], weights_only=True)["state_dict"]
    assert "permutation.weight" in state
    assert not config["pretrained"]
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(loaded[name], value), name
    result = build_trainer(config, model).evaluate(test_data, load_best_model=False)
    assert dict(result) == dict(after["test_result"])

"""What a run starts from, and the code of a model of another package, are parts of its key."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from recbole.model.sequential_recommender import GRU4Rec

from recbole_mmm4rec.quick_start.run_key import run_key
from tests.model.builders import Settings

CODE = "class Own:\n    factor = 1\n"


class Config(Settings):
    """What the key reads of a run's configuration."""

    model_class: type = GRU4Rec

    @property
    def final_config_dict(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "d.inter").write_text("user_id:token\titem_id:token\n")
    return Config(data_path=str(tmp_path), dataset="d")


@pytest.mark.parametrize("key", ["pretrained", "pre_model_path"])
def test_the_content_of_a_file_of_weights_counts(config: Config, key: str, tmp_path: Path) -> None:
    keys = {run_key(config)}
    for content in ("a", "other"):
        (tmp_path / "weights.pth").write_text(content)
        keys.add(run_key(Config(config | {key: str(tmp_path / "weights.pth")})))
    assert len(keys) == 3


def test_a_pre_training_counts_beside_a_file(config: Config, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_text("a")
    beside = Config(config | {"pre_model_path": str(tmp_path / "weights.pth")})
    assert len({run_key(c, key) for c in (config, beside) for key in (None, "one", "two")}) == 6


def test_the_code_of_another_packages_model_counts(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = []
    for code in (CODE, CODE + "# a comment\n", CODE.replace("1", "22")):
        (tmp_path / "own_model.py").write_text(code)
        monkeypatch.delitem(sys.modules, "own_model", raising=False)
        importlib.invalidate_caches()
        config.model_class = importlib.import_module("own_model").Own
        keys.append(run_key(config))
    monkeypatch.delitem(sys.modules, "own_model")
    assert keys[0] == keys[1] != keys[2]

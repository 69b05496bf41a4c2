"""Plain data survives a checkpoint that loads without running code."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from recbole.utils import ModelType

from recbole_mmm4rec.training.plain import json_able, pack, plain_config, portable_config, unpack


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_matrices_come_back(form: str, tmp_path: object) -> None:
    matrix = sp.random(5, 7, density=0.3, random_state=0, format=form, dtype=np.float32)
    torch.save(pack({"matrix": matrix, "rows": [1, (2, np.arange(3))]}), f"{tmp_path}/file.pth")
    back = unpack(torch.load(f"{tmp_path}/file.pth", weights_only=True))
    assert back["matrix"].format == form
    assert (back["matrix"] != matrix).nnz == 0
    assert back["rows"][1][0] == 2
    np.testing.assert_array_equal(back["rows"][1][1], np.arange(3))


def test_tensors_and_numbers_stay_what_they_are() -> None:
    tensor = torch.ones(2)
    packed = pack({"tensor": tensor, "number": np.float64(0.5), "none": None})
    assert packed["tensor"] is tensor
    assert type(packed["number"]) is float
    assert unpack(packed) == packed


def test_settings_become_json() -> None:
    values = {"type": ModelType.GENERAL, "range": (1, 2), "device": torch.device("cpu"), 1: np.int64(3)}
    assert json_able(values) == {"type": "GENERAL", "range": [1, 2], "device": "cpu", "1": 3}


def test_a_shared_file_names_no_folder_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "dataset": "tiny",
        "data_path": str(tmp_path / "atomic_data" / "tiny"),
        "MODEL_TYPE": "SEQUENTIAL",
        "checkpoint_dir": "/somewhere/else/saved",
        "pretrained": "saved/a.pth",
        "benchmark_filename": ["train", "/somewhere/else"],
        "nested": {"home": "~/models", "kept": "a/b"},
        "seq_separator": "/",
        "field_separator": "\t",
    }
    portable = portable_config(settings)
    assert portable == {
        "dataset": "tiny",
        "data_path": "atomic_data",
        "pretrained": "saved/a.pth",
        "benchmark_filename": ["train"],
        "nested": {"kept": "a/b"},
        "seq_separator": "/",
        "field_separator": "\t",
    }
    assert portable_config(portable) == portable


def test_a_folder_of_data_may_be_called_like_the_dataset() -> None:
    settings = {"dataset": "tiny", "data_path": "tiny/tiny", "MODEL_TYPE": "SEQUENTIAL"}
    assert plain_config(plain_config(settings))["data_path"] == "tiny"

"""Plain data survives a checkpoint that loads without running code."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from recbole.utils import ModelType

from recbole_mmm4rec.training.plain import json_able, pack, unpack


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
